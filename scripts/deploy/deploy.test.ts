import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { Environment } from "../../packages/server/src/config.ts";
import { type RunningServer, startServer } from "../../packages/server/src/start-server.ts";
import type { Database } from "../../packages/server/src/store/database.ts";
import { openDatabase } from "../../packages/server/src/store/open-database.ts";

// The files in `deploy` name metrics, variables and times of the server's: here they are held against it.

const folder = join(import.meta.dirname, "../../deploy");
const read = (path: string) => readFileSync(join(folder, path), "utf8");

describe("the alert rules", () => {
  let metrics: string;
  let directory: string;
  let db: Database;
  let server: RunningServer;
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "licentric-deploy-"));
    const embedded = await openDatabase({ dataDirectory: directory });
    const connections = () => ({ max: 10, open: 0, idle: 0, waiting: 0 });
    // Of PostgreSQL, for the names alone.
    db = { ...embedded, connections };
    server = await startServer({ db, port: 0, logLevel: "silent" });
    metrics = await (await fetch(`${server.url}/metrics`)).text();
  }, 120_000);
  afterAll(async () => {
    await server.close();
    await db.close();
    rmSync(directory, { recursive: true, force: true });
  });

  interface Rule {
    readonly alert: string;
    readonly expr: string;
    readonly labels: { readonly severity: string };
    readonly annotations: { readonly summary: string; readonly action: string };
  }
  const rules: readonly Rule[] = parse(read("prometheus/alerts.yml")).groups[0].rules;

  it.each(rules.map((rule) => [rule.alert, rule] as const))(
    "%s reads metrics that there are",
    (_, { expr }) => {
      const names = [...expr.matchAll(/\b(?:licentric|nodejs|process)_\w+/g)].map(([name]) => name);
      expect(names.length + (/\bup\{/.test(expr) ? 1 : 0)).toBeGreaterThan(0);
      for (const name of names) {
        const family = name.replace(/_(bucket|count|sum)$/, "");
        expect(metrics, name).toContain(`# TYPE ${metrics.includes(`# TYPE ${name} `) ? name : family} `);
      }
    },
  );

  it("say how bad it is and what to do", () => {
    for (const { labels, annotations } of rules) {
      expect(["page", "ticket"]).toContain(labels.severity);
      expect(annotations.action.length).toBeGreaterThan(20);
    }
  });

  it("are not told of by a metric that the guide does not name", () => {
    const guide = readFileSync(join(folder, "../docs/guides/operations.md"), "utf8");
    const [, table = ""] = /## What to watch\n([\s\S]*?)\n## /.exec(guide) ?? [];
    const named = new Set([...table.matchAll(/licentric_\w+/g)].map(([name]) => name));
    const shortened = [...table.matchAll(/…(_\w+)/g)].map(([, end = ""]) => end);
    const there = [...metrics.matchAll(/^# TYPE (licentric_\w+) /gm)].map(([, name = ""]) => name);
    const unnamed = there.filter((name) => !named.has(name) && !shortened.some((end) => name.endsWith(end)));
    expect(unnamed).toEqual([]);
    expect([...named].filter((name) => !there.includes(name))).toEqual([]);
  });
});

describe("the image", () => {
  const dockerfile = read("Dockerfile");

  it("runs node itself, so that SIGTERM arrives, and not as root", () => {
    const [entry = "[]"] = dockerfile.match(/(?<=^ENTRYPOINT ).*/m) ?? [];
    expect(JSON.parse(entry)).toEqual(["node", "/app/dist/bin.js"]);
    expect(dockerfile.match(/(?<=^CMD ).*/m)?.[0]).toBe('["start"]');
    expect(dockerfile.match(/^USER .*/gm)?.at(-1)).toBe("USER node");
    expect(dockerfile).toMatch(/^HEALTHCHECK [\s\S]*?\/readyz/m);
  });

  it("is given every file that its steps need, and no secret", () => {
    const ignored = read("Dockerfile.dockerignore").split("\n");
    const { packages } = parse(readFileSync(join(folder, "../pnpm-workspace.yaml"), "utf8"));
    for (const pattern of packages) {
      const name = pattern.replace("/*", "");
      expect(
        ignored.some((line) => line === `!${name}` || line === `!${name}/package.json`),
        name,
      ).toBe(true);
    }
    expect(ignored[0]).toBe("**");
    expect(ignored).toContain("**/.env*");
  });
});

describe("compose.yaml", () => {
  const { services } = parse(read("compose.yaml"));

  it("sets variables that the server reads", () => {
    const known = Object.keys(Environment.shape);
    for (const name of Object.keys(services.licentric.environment)) expect(known).toContain(name);
  });

  it("asks for what .env.example names, and no more", () => {
    const asked = new Set([...read("compose.yaml").matchAll(/\$\{(\w+)/g)].map(([, name]) => name));
    const named = [...read(".env.example").matchAll(/^#?(\w+)=/gm)].map(([, name]) => name);
    expect([...asked].sort()).toEqual(named.sort());
  });

  it("shuts the API in, and gives it the time to end", () => {
    const { licentric } = services;
    expect(licentric).toMatchObject({ read_only: true, cap_drop: ["ALL"], stop_grace_period: "20s" });
    expect(licentric.ports).toEqual(["127.0.0.1:4242:4242"]);
    expect(services.database.ports).toBeUndefined();
  });
});

describe("the systemd unit", () => {
  const unit = read("licentric.service");
  const settingOf = (name: string) => new RegExp(`^${name}=(.*)$`, "m").exec(unit)?.[1];

  it("runs node itself, and not as root, and gives it the time to end", () => {
    expect(settingOf("ExecStart")).toMatch(/^\/usr\/bin\/node \S+\/licentric\/dist\/bin\.js start$/);
    expect(settingOf("User")).toBe("licentric");
    expect(Number(settingOf("TimeoutStopSec"))).toBeGreaterThan(15);
    expect(settingOf("ProtectSystem")).toBe("strict");
  });

  it("sets variables that the server reads", () => {
    const known = [...Object.keys(Environment.shape), "NODE_ENV"];
    const set = [...unit.matchAll(/^Environment=(.*)$/gm)].flatMap(([, line = ""]) => line.split(" "));
    for (const each of set) expect(known).toContain(each.split("=")[0]);
  });
});
