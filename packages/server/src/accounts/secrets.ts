import { hash } from "node:crypto";

/** Makes random bytes. Passed in, so that rules have no random of their own. */
export type RandomBytes = (size: number) => Uint8Array;

const RANDOM_BYTES = 32;
const CHECKSUM_LENGTH = 6;

/** A new secret: the prefix, 256 bits of randomness, and a checksum. */
export function mintSecret(prefix: string, randomBytes: RandomBytes): string {
  const body = prefix + Buffer.from(randomBytes(RANDOM_BYTES)).toString("base64url");
  return body + checksum(body);
}

/**
 * Checks whether a string can be one of our secrets: its checksum fits. A typo or an invented string is
 * refused by this alone, with no look-up in the database. The checksum is not secret: whoever has the rest of
 * the string can compute it.
 */
export function hasValidChecksum(secret: string): boolean {
  return checksum(secret.slice(0, -CHECKSUM_LENGTH)) === secret.slice(-CHECKSUM_LENGTH);
}

/**
 * Returns the hash that is stored of a secret. A plain SHA-256 is enough where the secret itself is 256
 * random bits: there is no dictionary to try.
 */
export function hashSecret(secret: string): string {
  return hash("sha256", secret);
}

/** Returns the part of a secret that is shown later on: its last four characters. */
export function secretHint(secret: string): string {
  return secret.slice(-4);
}

function checksum(text: string): string {
  return hash("sha256", text, "base64url").slice(0, CHECKSUM_LENGTH);
}

/** The credential of a request. */
export interface PresentedCredential {
  readonly secret: string;
  /** null: no credential of ours has this form and this checksum, so there is nothing to look up. */
  readonly hash: string | null;
}
