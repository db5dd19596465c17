import { problemsOfInstallers } from "./check-installers.ts";
import { packageFolders } from "./package-sources.ts";
import { packPackages } from "./packed-project.ts";

// Installs every package, as it would be published, with npm, pnpm, Yarn 1 and Yarn 4, none of which may warn.
const problems = await problemsOfInstallers(await packPackages(packageFolders));
if (problems.length > 0) throw new Error(`\n${problems.join("\n")}`);
