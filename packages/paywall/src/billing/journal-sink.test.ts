import { homedir } from "node:os";
import { afterEach, describe, expect, it, vi } from "vitest";
import { defaultJournalDirectory } from "./journal-sink.ts";

afterEach(() => {
  vi.unstubAllEnvs();
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
