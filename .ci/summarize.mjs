// Prints the ten test files that took longest, and the totals of the runs whose JSON reports are named. A test counts
// once: as failed where any run failed it, as skipped where none ran it. A run that passed no test is a failure.
import { readFileSync } from "node:fs";

const reports = process.argv.slice(2).map((file) => JSON.parse(readFileSync(file, "utf8")));
const print = (line) => process.stdout.write(`${line}\n`);

/** A file's path in the repository, wherever that lay. */
const pathOf = ({ name }) => /\/((?:packages|examples|scripts)\/.*)/.exec(name)?.[1] ?? name;

const files = reports
  .flatMap(({ testResults }) => testResults)
  .map((file) => ({ path: pathOf(file), seconds: (file.endTime - file.startTime) / 1000 }));
print("\nSlowest test files:");
for (const { path, seconds } of files.toSorted((a, b) => b.seconds - a.seconds).slice(0, 10))
  print(`${seconds.toFixed(1).padStart(7)} s  ${path}`);

const RANK = ["failed", "passed", "skipped"];
const tests = new Map();
for (const { testResults } of reports) {
  for (const file of testResults) {
    const repeated = new Map();
    for (const { fullName, status } of file.assertionResults) {
      // Two tests of one name are two tests.
      const count = (repeated.get(fullName) ?? 0) + 1;
      repeated.set(fullName, count);
      const key = `${pathOf(file)} ${count} ${fullName}`;
      const next = status === "passed" || status === "failed" ? status : "skipped";
      const known = tests.get(key) ?? "skipped";
      tests.set(key, RANK.indexOf(next) < RANK.indexOf(known) ? next : known);
    }
  }
}
const count = (status) => [...tests.values()].filter((one) => one === status).length;
for (const [index, { numPassedTests, success }] of reports.entries()) {
  if (success && numPassedTests > 0) continue;
  print(`\nRun ${index + 1} of ${reports.length} ${success ? "passed no test at all" : "failed"}.`);
  process.exitCode = 1;
}
print(`\n${count("passed")} passed, ${count("failed")} failed, ${count("skipped")} skipped`);
