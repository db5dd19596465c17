import { homedir } from "node:os";
import { afterEach, describe, expect, it, vi } from "vitest";
import { fileJournal as fileJournalElsewhere } from "../journal-elsewhere.ts";
import { defaultJournalDirectory, fileJournal } from "./file-journal.ts";

afterEach(() => {
  vi.unstubAllEnvs();
  vi.unstubAllGlobals();
});

describe("the journal's directory, where nobody names one", () => {
  it("is another one for another API and for another key, so that no account delivers another's usage", () => {
    const directories = [
      defaultJournalDirectory("https://www.licentric.com", "lk_live_aaaaaaaa"),
      defaultJournalDirectory("https://www.licentric.com", "lk_live_bbbbbbbb"),
      defaultJournalDirectory("http://127.0.0.1:4242", "lk_live_aaaaaaaa"),
    ];
    expect(new Set(directories).size).toBe(3);
    for (const directory of directories) {
      expect(directory.startsWith(homedir())).toBe(true);
      expect(directory).not.toContain("lk_live_");
    }
  });

  it("is what LICENTRIC_JOURNAL_DIR says", () => {
    vi.stubEnv("LICENTRIC_JOURNAL_DIR", "/var/lib/weather/usage");
    expect(defaultJournalDirectory("http://127.0.0.1:4242", null)).toBe("/var/lib/weather/usage");
  });
});

describe("a runtime that keeps no journal", () => {
  const refusal = (name: string) =>
    expect.objectContaining({
      code: "JOURNAL_UNSUPPORTED",
      message: expect.stringMatching(new RegExp(`this runtime is ${name}\\. Leave metering at "request"`)),
    });

  it.each(["bun", "deno"])("is told at once, before native code ends it: %s", (name) => {
    vi.stubGlobal("process", { versions: { ...process.versions, [name]: "1.0.0" } });
    expect(() => fileJournal()).toThrow(refusal(name));
  });

  it("is told by what the export conditions give it", () => {
    vi.stubGlobal("navigator", { userAgent: "Cloudflare-Workers" });
    expect(() => fileJournalElsewhere()).toThrow(refusal("Cloudflare-Workers"));
    vi.stubGlobal("navigator", undefined);
    expect(() => fileJournalElsewhere()).toThrow(refusal("not Node"));
  });
});
