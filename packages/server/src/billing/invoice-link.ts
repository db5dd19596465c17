import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";

/** Makes and checks the signatures of links that open invoices' documents. */
export interface LinkSigner {
  /** Signs a link to an invoice, which opens it until a moment. */
  sign(invoiceId: string, expires: Date): string;
  /** Returns whether a signature is of this invoice and this moment, made with the key of now or the one before. */
  isSigned(invoiceId: string, expires: Date, signature: string): boolean;
}

/**
 * Makes the signer out of the server's secret key. Nothing is stored of a link: whoever reads the database cannot make
 * one, and all of them end where both keys are gone.
 */
export function createLinkSigner(secretKey: string, previousKey?: string): LinkSigner {
  const keys = [secretKey, ...(previousKey === undefined ? [] : [previousKey])].map((key) =>
    Buffer.from(hkdfSync("sha256", key, "", "licentric invoice links", 32)),
  );
  const signatureBy = (key: Buffer, invoiceId: string, expires: Date) =>
    createHmac("sha256", key)
      .update(`${invoiceId}.${toSeconds(expires)}`)
      .digest();
  const [current] = keys;
  if (current === undefined) throw new Error("a signer has a key");
  return {
    sign: (invoiceId, expires) => signatureBy(current, invoiceId, expires).toString("base64url"),
    isSigned(invoiceId, expires, signature) {
      const given = Buffer.from(signature, "base64url");
      return keys.some((key) => {
        const expected = signatureBy(key, invoiceId, expires);
        return given.length === expected.length && timingSafeEqual(given, expected);
      });
    },
  };
}

/** Seconds since 1970, as a link tells its end. */
export function toSeconds(moment: Date): number {
  return Math.floor(moment.getTime() / 1_000);
}
