import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { OPERATION_WORDS } from "../../packages/console/app/src/operation-words.ts";
import { InvoiceStatus, type Route, routes } from "../../packages/contract/src/index.ts";

/** What a key changes is written down under the name of its call, but for usage, whose events are their own record. */
const calls = Object.entries(routes).flatMap(([resource, table]) =>
  Object.entries<Route>(table)
    .filter(([, { auth, method }]) => auth === "key" && method !== "GET")
    .map(([call]) => `${resource}.${call}`)
    .filter((name) => name !== "usage.recordBatch"),
);

/** What others than a key change is written down where they do. */
function namedInTheServer(): string[] {
  const source = fileURLToPath(new URL("../../packages/server/src", import.meta.url));
  return readdirSync(source, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .flatMap((file) => [
      ...readFileSync(`${source}/${file}`, "utf8").matchAll(
        /\b(?:const operation = |operation: )"(\w+\.\w+)"/g,
      ),
    ])
    .map(([, name = ""]) => name);
}

const fromStripe = [
  ...InvoiceStatus.options
    .filter((status) => !["computed", "draft"].includes(status))
    .map((one) => `invoice.${one}`),
  ...["issued", "refused"].map((status) => `credit_note.${status}`),
  ...["connected", "updated", "missing"].map((what) => `customer.${what}`),
];

describe("the words of the audit log", () => {
  it("finds what the server names", () => {
    expect(namedInTheServer()).toContain("webhooks.disable");
  });

  it.each([...new Set([...calls, ...namedInTheServer(), ...fromStripe])])("has words for %s", (operation) => {
    expect(OPERATION_WORDS[operation]).toMatch(/^[A-Z]/);
  });

  it("has words for nothing that there is not", () => {
    const known = new Set([...calls, ...namedInTheServer(), ...fromStripe]);
    expect(Object.keys(OPERATION_WORDS).filter((name) => !known.has(name))).toEqual([]);
  });
});
