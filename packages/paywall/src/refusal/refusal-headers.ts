import type { Refusal } from "./refusal.ts";

const OAUTH_ERROR: Readonly<Partial<Record<Refusal["code"], string>>> = {
  invalid_token: "invalid_token",
  insufficient_scope: "insufficient_scope",
};

/** Returns OAuth's word for the reason of a refusal; undefined where it has none. */
export function oauthErrorOf(refusal: Refusal): string | undefined {
  return OAUTH_ERROR[refusal.code];
}

/** The headers that an HTTP response with this refusal has: how to authenticate, and when to come again. */
export function refusalHeaders(
  refusal: Refusal,
  {
    scopes = refusal.requiredScopes ?? [],
    metadataUrl,
  }: { scopes?: readonly string[]; metadataUrl?: string } = {},
): Record<string, string> {
  const error = oauthErrorOf(refusal);
  const challenge = [
    // RFC 6750: a request without any credential is told no error, only how to authenticate.
    ...(error === undefined ? [] : [`error="${error}"`, `error_description="${quoted(refusal.message)}"`]),
    ...(scopes.length === 0 ? [] : [`scope="${scopes.map(quoted).join(" ")}"`]),
    ...(metadataUrl === undefined ? [] : [`resource_metadata="${quoted(metadataUrl)}"`]),
  ].join(", ");
  return {
    ...((refusal.status === 401 || refusal.status === 403) && {
      "www-authenticate": challenge === "" ? "Bearer" : `Bearer ${challenge}`,
    }),
    ...(refusal.retryAfter !== undefined && { "retry-after": String(Math.ceil(refusal.retryAfter)) }),
  };
}

/** A header takes printable ASCII alone. */
function quoted(text: string): string {
  return text.replace(/[\\"]/g, "'").replace(/[^\x20-\x7E]/g, "-");
}
