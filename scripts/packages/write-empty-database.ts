import { writeEmptyDatabase } from "./empty-database.ts";

// Run by the build of the server's package, with the file to write.
const [file] = process.argv.slice(2);
if (file === undefined) throw new Error("Name the file to write.");
await writeEmptyDatabase(file);
