// Runs a stdio server and writes what it is sent to a file: `recorder.mjs <file> <command> [arguments…]`.
import { spawn } from "node:child_process";
import { appendFileSync } from "node:fs";

const [, , file, command, ...args] = process.argv;
const child = spawn(command, args, { stdio: ["pipe", "inherit", "ignore"] });
process.stdin.on("data", (chunk) => {
  appendFileSync(file, chunk);
  child.stdin.write(chunk);
});
process.stdin.on("end", () => child.stdin.end());
child.on("exit", (code) => process.exit(code ?? 1));
process.on("SIGTERM", () => child.kill("SIGTERM"));
