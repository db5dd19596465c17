import { inspect } from "node:util";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isAgentToken, isManagementKey, redactSecret, redactSecrets } from "./credentials.ts";

const secret = (prefix: string) =>
  fc.stringMatching(/^[A-Za-z0-9_-]{20,60}$/).map((random) => prefix + random);

describe("redaction", () => {
  it("keeps a secret's prefix and last four characters", () => {
    expect(redactSecret("AGT-q1w2e3r4t5y6u7i8o9p0")).toBe("AGT-…o9p0");
    expect(redactSecret("lk_live_q1w2e3r4t5y6u7i8o9p0")).toBe("lk_live_…o9p0");
  });

  it("shows nothing of a text that is too short or no secret of ours", () => {
    expect(redactSecret("AGT-short")).toBe("…");
    expect(redactSecret("hunter2")).toBe("…");
  });

  it("finds every secret in any text", () => {
    const anySecret = fc.oneof(
      ...["AGT-", "lk_test_", "lk_live_", "whsec_", "lcc_", "sk_test_", "rk_live_"].map(secret),
    );
    fc.assert(
      fc.property(fc.string(), anySecret, fc.string(), (before, hidden, after) => {
        const text = `${before} ${hidden} ${after}`;
        expect(redactSecrets(text)).not.toContain(hidden);
        expect(redactSecrets(inspect({ authorization: `Bearer ${hidden}` }))).not.toContain(hidden);
      }),
    );
  });
});

describe("the form of a credential", () => {
  it("tells keys, tokens and other texts apart", () => {
    expect(isManagementKey("lk_test_abcdefgh")).toBe(true);
    expect(isManagementKey("lk_prod_abcdefgh")).toBe(false);
    expect(isManagementKey("AGT-abcdefgh")).toBe(false);
    expect(isAgentToken("AGT-abcdefgh")).toBe(true);
    expect(isAgentToken("agt-abcdefgh")).toBe(false);
    expect(isAgentToken("AGT-has space")).toBe(false);
  });
});
