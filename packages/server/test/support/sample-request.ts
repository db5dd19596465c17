import type { Route } from "@licentric/contract";
import { z } from "zod";

/** A value of the JSON that is sent. */
export type Json = string | number | boolean | null | Json[] | { [member: string]: Json };

/** Values by the name of the member that they go into: ids of resources that exist, and texts that are valid. */
export type Samples = Readonly<Record<string, Json>>;

/** As much of JSON Schema as the contract's schemas become. */
export interface JsonSchema {
  readonly type?: string;
  readonly const?: Json;
  readonly enum?: readonly Json[];
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly pattern?: string;
  readonly format?: string;
}

/** A request's schema as JSON Schema: what is sent, before any coercion. */
export function toSchema(schema: z.ZodType): JsonSchema {
  return z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as JsonSchema;
}

/**
 * A body that the route accepts, made from its schema: every member that must be there, and every one that there is a
 * sample for. A member that must be there and has neither a sample nor a value of its own fails: the test that needs
 * it cannot be run.
 */
export function sampleBody(route: Route, samples: Samples): Json | undefined {
  return route.body === undefined ? undefined : sample(toSchema(route.body), "", samples);
}

function sample(schema: JsonSchema, name: string, samples: Samples): Json {
  const known = samples[name];
  if (known !== undefined) return known;
  if (schema.const !== undefined) return schema.const;
  const [first] = schema.enum ?? [];
  if (first !== undefined) return first;
  const option = (schema.anyOf ?? schema.oneOf ?? schema.allOf)?.find(({ type }) => type !== "null");
  if (option !== undefined) return sample(option, name, samples);
  if (schema.properties !== undefined) {
    return Object.fromEntries(
      Object.entries(schema.properties)
        .filter(([member]) => schema.required?.includes(member) || samples[member] !== undefined)
        .map(([member, value]) => [member, sample(value, member, samples)]),
    );
  }
  if (schema.type === "array" && schema.items !== undefined) return [sample(schema.items, name, samples)];
  if (schema.type === "integer" || schema.type === "number") return Math.max(1, schema.minimum ?? 1);
  if (schema.type === "boolean") return true;
  throw new Error(`There is no sample for the member "${name}". Add one, so that its route can be tried.`);
}

/** The ids that a route's body or query takes, by the path to them: `events.0.agentId`, `customerId`, `cursor`. */
export function idMembers(value: Json | undefined, path = ""): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([member, inner]) => {
    const at = path === "" ? member : `${path}.${member}`;
    return isIdMember(member) && typeof inner === "string" ? [at] : idMembers(inner, at);
  });
}

/** Whether a member holds the id of one of our resources. */
function isIdMember(name: string): boolean {
  return name === "cursor" || (/Id$/.test(name) && !name.startsWith("stripe"));
}

/** A copy of the value with another text at a path. */
export function replaceAt(value: Json, path: string, text: string): Json {
  const [member = "", ...rest] = path.split(".");
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) {
    return value.map((inner, index) =>
      String(index) === member ? (rest.length === 0 ? text : replaceAt(inner, rest.join("."), text)) : inner,
    );
  }
  const inner = value[member] ?? null;
  return { ...value, [member]: rest.length === 0 ? text : replaceAt(inner, rest.join("."), text) };
}

/** The names of the query's members that hold ids. */
export function queryIdMembers(route: Route): string[] {
  if (route.query === undefined) return [];
  return Object.keys(toSchema(route.query).properties ?? {}).filter(isIdMember);
}
