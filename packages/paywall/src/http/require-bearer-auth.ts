import type { Identify } from "../billing/identify.ts";
import { bearerToken } from "../credential/find-credential.ts";
import { isScopes, SCOPES_ADVICE } from "../pricing/scopes.ts";
import { type Links, type Refusal, refuse } from "../refusal/refusal.ts";
import { refusalHeaders } from "../refusal/refusal-headers.ts";
import { RefusedError } from "../refusal/refused-error.ts";
import { refusalBody } from "./refusal-response.ts";
import { toAuth, type VerifiedAuth } from "./token-verifier.ts";

/** Options of `requireBearerAuth`. */
export interface BearerAuthOptions {
  /** The public URL of the MCP endpoint. */
  readonly resource: URL | string;
  /** Issuers of credentials, for clients that can obtain one by themselves (OAuth 2.0). */
  readonly authorizationServers?: readonly string[];
  /** Scopes that every request needs. */
  readonly requiredScopes?: readonly string[];
  /** Name of the server, for people. */
  readonly resourceName?: string;
  /** A page for people. */
  readonly documentation?: string;
}

/**
 * Returns who called, or the response to send, for web-standard requests to an MCP server.
 *
 * 401 and 403 carry `WWW-Authenticate` with the metadata's URL; 429 carries `Retry-After`; 503 says that billing
 * cannot be reached. `GET` of the metadata's own URL is answered with the RFC 9728 document.
 */
export type RequireBearerAuth = (request: Request) => Promise<VerifiedAuth | Response>;

/** RFC 9728 metadata of an MCP server. */
export interface ProtectedResourceMetadata {
  readonly resource: string;
  readonly authorization_servers?: readonly string[];
  readonly scopes_supported?: readonly string[];
  readonly bearer_methods_supported: readonly string[];
  readonly resource_name?: string;
  readonly resource_documentation?: string;
}

/** Returns the URL of a server's metadata: the well-known path before the path of the endpoint. */
export function protectedResourceMetadataUrl(resource: URL | string): string {
  const url = new URL(resource);
  const path = url.pathname.replace(/\/$/, "");
  return `${url.origin}/.well-known/oauth-protected-resource${path}`;
}

/** The metadata document of a server (RFC 9728). */
export function protectedResourceMetadata(options: BearerAuthOptions): ProtectedResourceMetadata {
  const { authorizationServers, requiredScopes, resourceName, documentation } = options;
  return {
    resource: new URL(options.resource).href,
    ...(authorizationServers !== undefined && { authorization_servers: authorizationServers }),
    ...(requiredScopes !== undefined && { scopes_supported: requiredScopes }),
    bearer_methods_supported: ["header"],
    ...(resourceName !== undefined && { resource_name: resourceName }),
    ...(documentation !== undefined && { resource_documentation: documentation }),
  };
}

/**
 * Makes `paywall.requireBearerAuth` for one resource.
 *
 * @throws TypeError where the resource is no URL, or a scope is none that a header can have
 */
export function createRequireBearerAuth(
  identify: Identify,
  links: Links,
  options: BearerAuthOptions,
): RequireBearerAuth {
  const resource = new URL(options.resource);
  const metadataUrl = protectedResourceMetadataUrl(resource);
  const { requiredScopes = [] } = options;
  if (!isScopes(requiredScopes))
    throw new TypeError(`paywall.requireBearerAuth: requiredScopes: ${SCOPES_ADVICE}`);
  return async (request) => {
    if (request.method === "GET" && new URL(request.url).pathname === new URL(metadataUrl).pathname) {
      return Response.json(protectedResourceMetadata(options), {
        headers: { "access-control-allow-origin": "*" },
      });
    }
    const header = request.headers.get("authorization");
    const token = header === null ? undefined : bearerToken(header);
    try {
      const caller = await identify(token);
      if (requiredScopes.every((scope) => caller.scopes.includes(scope)))
        return toAuth(token ?? "", caller, resource);
      return refusalResponse(
        refuse("insufficient_scope", links, { requiredScopes }),
        requiredScopes,
        metadataUrl,
      );
    } catch (error) {
      if (error instanceof RefusedError) return refusalResponse(error.refusal, requiredScopes, metadataUrl);
      throw error;
    }
  };
}

function refusalResponse(refusal: Refusal, scopes: readonly string[], metadataUrl: string): Response {
  const headers = refusalHeaders(refusal, { scopes, metadataUrl });
  return Response.json(refusalBody(refusal), { status: refusal.status, headers });
}
