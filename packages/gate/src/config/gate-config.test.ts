import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { configSchema } from "./config-schema.ts";

it("is what the JSON schema for editors says: `pnpm --filter @licentric/gate run schema` writes it", () => {
  const file = new URL("../../licentric.gate.schema.json", import.meta.url);
  expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(JSON.parse(JSON.stringify(configSchema())));
});

it("has a description of every property", () => {
  const undescribed: string[] = [];
  const look = (schema: unknown, path: string): void => {
    if (typeof schema !== "object" || schema === null) return;
    for (const [name, value] of Object.entries(schema)) {
      if (name !== "properties") look(value, `${path}/${name}`);
      else
        for (const [property, own] of Object.entries<object>(value)) {
          if (!("description" in own)) undescribed.push(`${path}/${property}`);
          look(own, `${path}/${property}`);
        }
    }
  };
  look(configSchema(), "");
  expect(undescribed).toEqual([]);
});
