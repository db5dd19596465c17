import * as z from "zod";
import { dataEnvelope, listEnvelope } from "./envelope.ts";
import { ErrorEnvelope } from "./errors.ts";
import { Id, IdempotencyKey } from "./primitives.ts";
import type { Route } from "./route.ts";
import { NewUsageEvent, UncheckedUsageEvent } from "./usage.ts";

/** The server's title and version, as its OpenAPI document states them. */
export interface OpenApiInfo {
  readonly title: string;
  readonly version: string;
}

type JsonObject = { [member: string]: unknown };

/**
 * The JSON Schema of what is sent (`input`) or answered (`output`).
 *
 * @example
 * ```ts
 * const schema = toJsonSchema(VerifyRequest, "input");
 * ```
 */
export function toJsonSchema(schema: z.ZodType, io: "input" | "output"): z.core.JSONSchema.BaseSchema {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, {
    io,
    unrepresentable: "any",
    override: ({ zodSchema, jsonSchema }) => {
      if (zodSchema === UncheckedUsageEvent) Object.assign(jsonSchema, toJsonSchema(NewUsageEvent, io));
    },
  });
  return rest;
}

const jsonContent = (schema: object) => ({ "application/json": { schema } });

/**
 * The OpenAPI 3.1 document of a route table, made from the same schemas that validate requests.
 *
 * @example
 * ```ts
 * const document = buildOpenApi(routes, { title: "Licentric API", version: "0.1.0" });
 * ```
 */
export function buildOpenApi(table: Record<string, Record<string, Route>>, info: OpenApiInfo): JsonObject {
  const paths: Record<string, JsonObject> = {};
  for (const [resource, calls] of Object.entries(table)) {
    for (const [name, route] of Object.entries(calls)) {
      const path = route.path.replace(/:(\w+)/g, "{$1}");
      paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(resource, name, route) };
    }
  }
  return {
    openapi: "3.1.0",
    info,
    paths,
    components: {
      schemas: { Error: toJsonSchema(ErrorEnvelope, "output") },
      securitySchemes: {
        managementKey: { type: "http", scheme: "bearer", description: "lk_test_… or lk_live_…" },
        agentToken: { type: "http", scheme: "bearer", description: "AGT-…" },
      },
    },
  };
}

function operation(resource: string, name: string, route: Route): JsonObject {
  const response = route.minimalResponse ? z.union([route.response, route.minimalResponse]) : route.response;
  const envelope = route.list ? listEnvelope(response) : dataEnvelope(response);
  return {
    operationId: `${resource}.${name}`,
    tags: [resource],
    summary: route.summary,
    security: [route.auth === "key" ? { managementKey: [] } : { agentToken: [] }],
    ...(route.scope ? { "x-required-scope": route.scope } : {}),
    parameters: [
      ...pathParameters(route),
      ...queryParameters(route),
      ...idempotencyParameter(route),
      ...preferParameter(route),
    ],
    ...(route.body ? { requestBody: { content: jsonContent(toJsonSchema(route.body, "input")) } } : {}),
    responses: {
      [route.status]: { description: "Done.", content: jsonContent(toJsonSchema(envelope, "output")) },
      default: {
        description: "Refused or failed.",
        content: jsonContent({ $ref: "#/components/schemas/Error" }),
      },
    },
  };
}

function pathParameters(route: Route): JsonObject[] {
  return [...route.path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: toJsonSchema(Id, "input"),
  }));
}

function queryParameters(route: Route): JsonObject[] {
  if (!(route.query instanceof z.ZodObject)) return [];
  return Object.entries(route.query.shape).map(([name, schema]) => ({
    name,
    in: "query",
    required: false,
    schema: toJsonSchema(schema as z.ZodType, "input"),
  }));
}

function idempotencyParameter(route: Route): JsonObject[] {
  if (route.method !== "POST") return [];
  return [
    { name: "Idempotency-Key", in: "header", required: false, schema: toJsonSchema(IdempotencyKey, "input") },
  ];
}

function preferParameter(route: Route): JsonObject[] {
  if (route.minimalResponse === undefined) return [];
  return [
    {
      name: "Prefer",
      in: "header",
      required: false,
      description: "`return=minimal` asks for the response without the resources in it.",
      schema: { type: "string", enum: ["return=minimal", "return=representation"] },
    },
  ];
}
