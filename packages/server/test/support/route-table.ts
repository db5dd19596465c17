import { type Route, routes } from "@licentric/contract";
import type { TestApi } from "./api.ts";

/** One row of the route table, with the operation's name: `agents.create`. */
export interface NamedRoute {
  readonly name: string;
  readonly route: Route;
}

const table: Record<string, Record<string, Route>> = routes;

/** The whole route table: tests that are made from it grow with it. */
export const routeTable: readonly NamedRoute[] = Object.entries(table).flatMap(([resource, calls]) =>
  Object.entries(calls).map(([call, route]) => ({ name: `${resource}.${call}`, route })),
);

/** The rows that the server answers: without a credential, each of them says 401 and any other path 404. */
export async function registeredRoutes(api: TestApi): Promise<ReadonlySet<string>> {
  const registered = new Set<string>();
  for (const { name, route } of routeTable) {
    const { status } = await api.call(route.method, route.path.replaceAll(/:\w+/g, "x"));
    if (status === 401) registered.add(name);
    else if (status !== 404) throw new Error(`${name} answers ${status} to a request without a credential`);
  }
  return registered;
}

/** The names of a path's parameters. */
export function pathParameters(route: Route): string[] {
  return [...route.path.matchAll(/:(\w+)/g)].map(([, name]) => name ?? "");
}
