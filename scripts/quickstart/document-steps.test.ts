import { describe, expect, it } from "vitest";
import { stepsOf } from "./document-steps.ts";
import { SampleValues } from "./sample-values.ts";

const block = (language: string, text: string) => `\n\`\`\`${language}\n${text}\n\`\`\`\n`;

describe("the steps of a document", () => {
  it("are its files, its commands with their output, and where the next terminal opens", () => {
    const document = [
      `Save \`b.mjs\`, or better \`a.mjs\`:\n${block("ts", "export {};")}`,
      `Run it:\n${block("sh", "node a.mjs")}${block("text", "ready")}`,
      `In another terminal:\n${block("sh", "curl :3000")}`,
    ].join("\n");
    expect(stepsOf(document)).toEqual([
      { kind: "file", line: 3, name: "a.mjs", text: "export {};\n" },
      {
        kind: "commands",
        line: 9,
        text: "node a.mjs\n",
        output: "ready\n",
        inNewTerminal: false,
        staysRunning: true,
      },
      { kind: "commands", line: 19, text: "curl :3000\n", inNewTerminal: true, staysRunning: false },
    ]);
  });

  it.each([
    ["a file without a name", `Save it:\n${block("ts", "export {};")}`],
    ["output that belongs to no commands", `${block("sh", "true")}\nElsewhere:\n${block("text", "ready")}`],
    ["a language that nobody runs", block("python", "pass")],
  ])("are not %s", (_, document) => {
    expect(() => stepsOf(document)).toThrow(/at line \d/);
  });
});

describe("sample values", () => {
  const [one, other] = ["01a2123f-9047-7740-8b01-0b454b44d541", "01a2123f-a2d8-732c-8223-c4f963fd372f"];
  const [real, another] = ["11111111-9047-7740-8b01-0b454b44d541", "22222222-a2d8-732c-8223-c4f963fd372f"];

  it("stand for one value from the first output on that shows them", () => {
    const values = new SampleValues({ "4242": "5001" });
    expect(values.match(`id ${one} at :4242`, `id ${real} at :5001`)).toBe(true);
    expect(values.fill(`show ${one} ${other} :4242 :42420`)).toBe(`show ${real} ${other} :5001 :42420`);
    expect(values.match(`id ${one}`, `id ${another}`)).toBe(false);
    expect(values.match(`id ${other}, next ${other}`, `id ${another}, next ${real}`)).toBe(false);
    expect(values.match(`id ${other}, next ${other}`, `id ${another}, next ${another}`)).toBe(true);
  });

  it("have their form, and the rest is what it is", () => {
    const values = new SampleValues();
    const shown = "0.03 USD (2026-11-25 10:28:24Z)";
    expect(values.match(shown, "0.03 USD (2027-01-02 03:04:05Z)")).toBe(true);
    expect(values.match(shown, "0x03 USD (2027-01-02 03:04:05Z)")).toBe(false);
    expect(values.match(shown, "0.04 USD (2027-01-02 03:04:05Z)")).toBe(false);
    expect(values.match(shown, "0.03 USD (yesterday)")).toBe(false);
    expect(values.match(shown, "0.03 USD (2027-01-02 03:04:05Z) more")).toBe(false);
    expect(values.match(`AGT-${"a".repeat(40)}`, `AGT-${"b_-".repeat(13)}`)).toBe(true);
    expect(values.match(`lk_test_${"a".repeat(40)}`, `AGT-${"b".repeat(40)}`)).toBe(false);
  });
});
