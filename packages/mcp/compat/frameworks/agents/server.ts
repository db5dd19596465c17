import { build } from "esbuild";
import { Miniflare } from "miniflare";

// Runs the Worker in workerd, as Cloudflare does: bundled, with `nodejs_compat` and no other help.

const entry = process.env["WORKER"] ?? "worker.ts";

const { outputFiles } = await build({
  entryPoints: [entry],
  bundle: true,
  write: false,
  format: "esm",
  target: "es2022",
  conditions: ["workerd", "worker", "browser"],
  external: ["node:*", "cloudflare:*"],
  logLevel: "error",
});

const worker = new Miniflare({
  modules: true,
  script: outputFiles[0]?.text ?? "",
  host: "127.0.0.1",
  port: Number(process.env["PORT"]),
  compatibilityDate: "2026-07-01",
  compatibilityFlags: ["nodejs_compat"],
  durableObjects:
    entry === "agent-worker.ts" ? { MCP_OBJECT: { className: "WeatherAgent", useSQLite: true } } : {},
  bindings: Object.fromEntries(
    ["LICENTRIC_BASE_URL", "LICENTRIC_AGENT_TOKEN", "WEATHER_URL"].map((name) => [
      name,
      process.env[name] ?? "",
    ]),
  ),
});
await worker.ready;
