import type { z } from "zod";
import type { KeyScope } from "./keys.ts";

/**
 * The credential that a route needs: a management key, an agent's token, or (for commit and release) an
 * agent's token that may have expired since.
 */
export type RouteAuth = "key" | "agent" | "agent-or-expired";

/** One call of the API: everything that the server, the client and the OpenAPI document need to know of it. */
export interface Route {
  readonly method: "GET" | "POST" | "PATCH" | "DELETE";
  /** Path with `:name` parameters, all of them ids. */
  readonly path: `/api/v1/${string}`;
  readonly auth: RouteAuth;
  /** The scope that a management key needs; none for agent routes. */
  readonly scope?: KeyScope;
  /** One sentence for a person. */
  readonly summary: string;
  readonly query?: z.ZodType;
  readonly body?: z.ZodType;
  /** The schema of `data`; for a list, of one item of it. */
  readonly response: z.ZodType;
  /**
   * The part of `response` that the hosted service promises, where its documentation shows less than we
   * return.
   */
  readonly hostedResponse?: z.ZodType;
  /**
   * The part of `response` that a request with `Prefer: return=minimal` (RFC 7240) gets; without it, the header is not
   * heeded. A server that does not know the header answers all of it, so whoever reads the part takes both.
   */
  readonly minimalResponse?: z.ZodType;
  /** True where the response is a page of a list. */
  readonly list?: true;
  /** The schema of the list's cursor; left out where that is the id of the last resource of a page. */
  readonly cursor?: z.ZodType<string>;
  /** Status of success. */
  readonly status: 200 | 201;
}

/** The names of a path's parameters: `"/agents/:agentId"` has `"agentId"`. */
export type PathParams<Path extends string> = Path extends `${string}:${infer Name}/${infer Rest}`
  ? Name | PathParams<Rest>
  : Path extends `${string}:${infer Name}`
    ? Name
    : never;

/** Fills a path's parameters in, each percent-encoded as one segment. */
export function buildPath<Path extends string>(path: Path, params: Record<PathParams<Path>, string>): string {
  return path.replace(/:(\w+)/g, (_, name: PathParams<Path>) => encodeURIComponent(params[name]));
}
