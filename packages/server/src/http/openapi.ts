import { buildOpenApi, type Route } from "@licentric/contract";
import { version } from "../version.ts";
import type { RouteRegistration } from "./on-route.ts";

/** `GET /api/v1/openapi.json`, made from the schemas that check requests. */
export function openApiRoutes(table: Record<string, Record<string, Route>>): RouteRegistration[] {
  const document = buildOpenApi(table, { title: "Licentric API", version });
  return [(app) => app.get("/api/v1/openapi.json", async () => document)];
}
