import { builtinModules } from "node:module";
import { build, type Plugin } from "esbuild";
import { Miniflare } from "miniflare";

// Runs the Worker in workerd, as Cloudflare does: bundled, with `nodejs_compat` and no other help.

const entry = process.env["WORKER"] ?? "worker.ts";

/** As Cloudflare's own bundler does: a module of Node is one of the runtime's, whether it is written with "node:" or not. */
const nodeModules: Plugin = {
  name: "node-modules",
  setup({ onResolve }) {
    onResolve({ filter: new RegExp(`^(node:)?(${builtinModules.join("|")})$`) }, ({ path }) => ({
      path: path.startsWith("node:") ? path : `node:${path}`,
      external: true,
    }));
  },
};

const { outputFiles } = await build({
  entryPoints: [entry],
  bundle: true,
  write: false,
  format: "esm",
  target: "es2022",
  conditions: ["workerd", "worker", "browser"],
  external: ["cloudflare:*"],
  plugins: [nodeModules],
  logLevel: "error",
});

const worker = new Miniflare({
  modules: [{ type: "ESModule", path: "worker.mjs", contents: outputFiles[0]?.text ?? "" }],
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
