/**
 * The idempotency key that an agent sent: undefined where it sent none, null where it is none that can be used.
 *
 * @param sent - what it sent
 */
export function readAgentKey(sent: unknown): string | null | undefined {
  if (sent === undefined) return undefined;
  return typeof sent === "string" && /^[\x20-\x7E]{1,255}$/.test(sent) ? sent : null;
}
