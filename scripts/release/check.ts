import { problemsOfRelease } from "./repository.ts";

/** Refuses to publish what does not say where it comes from. */
const problems = problemsOfRelease(new URL("../..", import.meta.url).pathname);
if (problems.length > 0) {
  console.error(`Nothing is published:\n${problems.map((problem) => `  ${problem}`).join("\n")}`);
  process.exitCode = 1;
}
