import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { JournalError } from "../src/journal/journal-error.ts";
import { openJournal } from "../src/journal/open-journal.ts";

// A file system of 256 KiB of its own: only Linux gives one for the asking, and only to root.
const disk = mkdtempSync(join(tmpdir(), "journal-disk-"));
const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=256k", "tmpfs", disk]).status === 0;
afterAll(() => {
  if (mounted) spawnSync("umount", [disk]);
  rmSync(disk, { recursive: true, force: true });
});

test.skipIf(!mounted).each(["process", "disk"] as const)(
  "on a full disk append says so, loses nothing it took, and works again with room, durability %s",
  async (durability) => {
    const filler = join(disk, "filler");
    writeFileSync(filler, Buffer.alloc(64 * 1024));
    const recorded: string[] = [];
    let away = true;
    const journal = await openJournal({
      directory: join(disk, durability),
      durability,
      flushInterval: 60_000,
      deliver: async (events) => {
        if (away) throw new Error("away");
        recorded.push(...events.map((event) => event.idempotencyKey));
        return events.map(() => ({ status: "recorded" }));
      },
    });
    const taken: string[] = [];
    let count = 0;
    async function append(): Promise<void> {
      const idempotencyKey = `k${++count}`;
      await journal.append({
        idempotencyKey,
        timestamp: "2026-11-23T19:12:42.000Z",
        agentId: "agt_1",
        meterName: "api_calls",
        quantity: 1,
      });
      taken.push(idempotencyKey);
    }
    async function fillDisk(): Promise<unknown> {
      for (;;) {
        // Five at once, as calls come: a refusal of one must not touch the others.
        const results = await Promise.allSettled(Array.from({ length: 5 }, append));
        const refused = results.find((result) => result.status === "rejected");
        if (refused) return refused.reason;
      }
    }
    for (const error of [await fillDisk(), await fillDisk()]) {
      expect(error).toBeInstanceOf(JournalError);
      expect(error).toMatchObject({ code: "JOURNAL_WRITE_FAILED", cause: { code: "ENOSPC" } });
      expect(String(error)).toContain("no space left on device");
    }

    rmSync(filler);
    const before = taken.length;
    await append();
    await append();
    expect(taken.length).toBe(before + 2);
    await fillDisk();

    // Delivery works on a full disk, and makes all the room again that the journal had taken, as often as it comes to that.
    const room = taken.length;
    for (let round = 1; round <= 3; round++) {
      away = false;
      await journal.flush();
      expect(recorded).toEqual(taken);
      away = true;
      const begun = taken.length;
      await fillDisk();
      expect(taken.length - begun).toBeGreaterThan(room * 0.9);
    }
    away = false;
    expect(await journal.close()).toMatchObject({ pendingEvents: 0 });
    expect(recorded).toEqual(taken);
  },
);
