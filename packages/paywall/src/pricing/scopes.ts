/** A scope of a credential, its characters by OAuth 2.0 (RFC 6749, 3.3): it stands in a header, between quotation marks and spaces. */
const SCOPE = /^[\x21\x23-\x5B\x5D-\x7E]{1,100}$/;

/** Returns whether a value is a list of scopes that a credential can have. */
export function isScopes(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((scope) => typeof scope === "string" && SCOPE.test(scope));
}

/** The sentence about scopes that are none. */
export const SCOPES_ADVICE =
  'scopes is a list of strings such as ["mcp:invoke"], without spaces, quotation marks, backslashes or anything that is not ASCII';
