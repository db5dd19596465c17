import { format, inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { AgentToken, Secret, secretText } from "./secret.ts";

const text = "AGT-verysecretverysecretend1";
const shown = "AGT-…end1";

describe("a secret", () => {
  const token = new AgentToken(text);

  it("is read on purpose", () => {
    expect(token.reveal()).toBe(text);
  });

  it.each([
    ["String()", () => String(token)],
    ["a template", () => `${token}`],
    ["joining", () => ["token", token].join(" ")],
    ["JSON", () => JSON.stringify({ token })],
    ["inspect", () => inspect(token)],
    ["inspect in depth", () => inspect({ a: { b: [token] } }, { depth: 9, showHidden: true, getters: true })],
    ["console's format", () => format("%s %o %O %j", token, token, token, token)],
  ])("shows itself shortened to %s", (_, print) => {
    expect(print()).toContain(shown);
    expect(print()).not.toContain("verysecret");
  });

  it("has nothing to spread, copy or enumerate", () => {
    expect({ ...token }).toEqual({});
    expect(Reflect.ownKeys(token)).toEqual([]);
    expect(JSON.stringify(structuredClone(token))).not.toContain("verysecret");
  });

  it("is read from another copy of this package, too, and from nothing else", () => {
    class OtherCopysToken {
      reveal = () => text;
    }
    expect(secretText(new OtherCopysToken())).toBe(text);
    for (const other of [undefined, null, 42, {}, { reveal: text }, { reveal: () => 42 }]) {
      expect(secretText(other)).toBe("");
    }
  });

  it("hides wholly what has none of our prefixes", () => {
    expect(`${new Secret("hunter2hunter2hunter2")}`).toBe("…");
  });
});
