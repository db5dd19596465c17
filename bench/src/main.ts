import { spawn } from "node:child_process";
import { once } from "node:events";
import { installMcpay, stage } from "./stage.ts";

// `pnpm bench`: builds what is measured, then measures it in a process that loads JavaScript alone.
const args = process.argv.slice(2);
installMcpay();
const program = await stage({ tarball: !args.includes("--quick") });
const [exitCode] = await once(spawn(process.execPath, [program, ...args], { stdio: "inherit" }), "exit");
process.exitCode = typeof exitCode === "number" ? exitCode : 1;
