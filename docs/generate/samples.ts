import { toJsonSchema } from "@licentric/contract";
import type { z } from "zod";

type Schema = z.core.JSONSchema.BaseSchema;

/** A value of the JSON that is sent or answered. */
export type Json = string | number | boolean | null | Json[] | { [member: string]: Json };

const ID = "01900000-0000-7000-8000-000000000001";
const TIME = "2026-11-23T19:12:42.000Z";

/** Values by the name of the member that they go into, where a schema alone makes no example that says anything. */
const BY_NAME: Readonly<Record<string, Json>> = {
  agentId: ID,
  amount: "12.50",
  currency: "eur",
  customerId: ID,
  displayName: "API calls",
  email: "books@acme.example",
  endsAt: "2026-12-01T00:00:00.000Z",
  events: [{ agentId: ID, meterName: "api_calls", quantity: 3 }],
  hint: "x7Qd",
  id: ID,
  idempotencyKey: "order-4711",
  key: "lk_test_…",
  limit: 1_000,
  metadata: {},
  meterName: "api_calls",
  minimum: "50.00",
  name: "Travel planner",
  operation: "agents.update",
  percent: "12.5",
  price: { model: "per_unit", unitPrice: "0.01" },
  quantity: 1,
  scopes: ["mcp:invoke"],
  secret: "whsec_…",
  startsAt: "2026-11-01T00:00:00.000Z",
  timeZone: "Europe/Berlin",
  token: "AGT-…",
  total: "12.50",
  unit: "call",
  url: "https://ops.example.com/licentric",
};

/** A second value, for members of the name that have a form of their own. */
const ALSO: Readonly<Record<string, Json>> = { name: "api_calls" };

/** The shortest body that a call takes that says something: with a name, or else the first of what it may have. */
export function sampleBody(schema: z.ZodType): Json {
  const json = toJsonSchema(schema, "input");
  const takes = (name: string, required: boolean) => required || name === "name";
  const shortest = sample(json, "", takes);
  // Of some members one is needed, and the error of a body without any names the first.
  const missing = schema.safeParse(shortest).error?.issues.map(({ path: [member] }) => member) ?? [];
  const body =
    missing.length === 0
      ? shortest
      : sample(json, "", (name, required) => takes(name, required) || missing.includes(name));
  if (JSON.stringify(body) !== "{}") return body;
  const first = Object.keys(json.properties ?? {}).find((name) => name !== "cursor");
  return sample(json, "", (name) => name === first);
}

/** An answer with everything that is always in it. */
export function sampleAnswer(schema: z.ZodType): Json {
  return sample(toJsonSchema(schema, "output"), "", (_, required) => required);
}

function sample(schema: Schema, name: string, takes: (name: string, required: boolean) => boolean): Json {
  if (name === "events" && schema.type === "array" && isEnum(schema.items)) return sampleList(schema, takes);
  const known = [BY_NAME[name], ALSO[name]].find((value) => value !== undefined && fits(schema, value));
  if (known !== undefined) return known;
  if (schema.const !== undefined) return schema.const as Json;
  if (schema.enum) return (schema.enum[0] ?? null) as Json;
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return sample(resolved(choices[0]), name, takes);
  if (schema.type === "object" || schema.properties) {
    const members = Object.entries(schema.properties ?? {})
      .filter(([member]) => takes(member, schema.required?.includes(member) ?? false))
      .map(([member, inner]) => [member, sample(resolved(inner), member, takes)] as const);
    return Object.fromEntries(members);
  }
  if (schema.type === "array") return sampleList(schema, takes);
  if (schema.type === "integer" || schema.type === "number") return Math.max(1, schema.minimum ?? 1);
  if (schema.type === "boolean") return true;
  if (schema.type === "null") return null;
  if (/Id$/.test(name)) return ID;
  return schema.format === "date-time" || /At$/.test(name) ? TIME : "…";
}

function sampleList(schema: Schema, takes: (name: string, required: boolean) => boolean): Json {
  const { items } = schema;
  return Array.isArray(items) ? [] : [sample(resolved(items), "", takes)];
}

function isEnum(items: Schema["items"]): boolean {
  return !Array.isArray(items) && typeof items === "object" && items.enum !== undefined;
}

/** Tells whether a sample is of the kind that the schema wants: members of one name differ from call to call. */
function fits(schema: Schema, value: Json): boolean {
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return choices.some((choice) => fits(resolved(choice), value));
  if (schema.enum) return schema.enum.some((each) => each === value);
  if (schema.pattern !== undefined && typeof value === "string" && !value.endsWith("…")) {
    if (!new RegExp(schema.pattern, "u").test(value)) return false;
  }
  if (Array.isArray(value)) return schema.type === "array";
  if (typeof value === "object") return schema.type === "object" || schema.properties !== undefined;
  if (typeof value === "number") return schema.type === "integer" || schema.type === "number";
  return schema.type === typeof value;
}

function resolved(schema: Schema | boolean | undefined): Schema {
  return typeof schema === "object" ? schema : {};
}
