/**
 * The prefixes of management keys: `lk_test_…` reaches sandbox data only, `lk_live_…` production data only.
 */
export const MANAGEMENT_KEY_PREFIXES = { test: "lk_test_", live: "lk_live_" } as const;

/** The prefix of an agent's token. */
export const AGENT_TOKEN_PREFIX = "AGT-";

/**
 * Returns true where a text has the form of a management key. It says nothing about whether the key is valid.
 */
export function isManagementKey(text: string): boolean {
  return /^lk_(test|live)_[\w-]{8,200}$/.test(text);
}

/**
 * Returns true where a text has the form of an agent's token. It says nothing about whether the token is
 * valid.
 */
export function isAgentToken(text: string): boolean {
  return /^AGT-[\w.~+/=-]{8,500}$/.test(text);
}

/**
 * A secret shortened for a screen or a log: its prefix and its last four characters.
 *
 * @example
 * ```ts
 * redactSecret("AGT-q1w2e3r4t5y6u7i8o9p0"); // "AGT-…o9p0"
 * redactSecret("not one of ours"); // "…"
 * ```
 */
export function redactSecret(secret: string): string {
  const prefix = /^(AGT-|lk_test_|lk_live_|whsec_|lcc_|sk_test_|sk_live_|rk_test_|rk_live_)/.exec(
    secret,
  )?.[0];
  return prefix && secret.length >= prefix.length + 12 ? `${prefix}…${secret.slice(-4)}` : "…";
}

/** Everything in a text that looks like one of our secrets or Stripe's, shortened by {@link redactSecret}. */
export function redactSecrets(text: string): string {
  return text.replace(
    /(?:AGT-|lk_(?:test|live)_|whsec_|lcc_|[sr]k_(?:test|live)_)[\w.~+/=-]+/g,
    redactSecret,
  );
}
