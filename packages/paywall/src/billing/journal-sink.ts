import { RateLimitError } from "@licentric/sdk";
import type { Emitter } from "../events.ts";
import { toEventBatch } from "../journal/event-batch.ts";
import type { Journal } from "../journal/journal.ts";
import type { JournalOwner, UsageJournal } from "../journal/usage-journal.ts";
import type { Gateway } from "./gateway.ts";

/** A journal that opens by itself. */
export interface JournalSink {
  open(): Promise<Journal>;
  /**
   * Delivers everything that was journalled so far, at once.
   *
   * @throws the journal's error where it cannot be opened or something is left
   */
  flush(): Promise<void>;
  /** Delivers what it can in the time given, in milliseconds, and lets go of the directory. */
  close(timeout: number): Promise<void>;
}

/** Makes a journal that delivers to the API. It opens at once: what an earlier process left is on its way, too. */
export function createJournalSink(
  journal: UsageJournal,
  account: Pick<JournalOwner, "baseUrl" | "apiKey">,
  gateway: Gateway,
  emitter: Emitter,
): JournalSink {
  let opening: Promise<Journal> | undefined;
  const open = () => {
    opening ??= journal.open({
      ...account,
      deliver: (events, { signal }) => gateway.record(toEventBatch(events), signal),
      deliverBatch: (batch, { signal }) => gateway.record(batch, signal),
      retryAfter: (error) =>
        error instanceof RateLimitError && error.retryAfter !== undefined
          ? error.retryAfter * 1_000
          : undefined,
      onDelivered: ({ recorded, duplicates }) => emitter.emit("delivered", { count: recorded + duplicates }),
      onFailed: (failure) => {
        const usage = failure.reason === "rejected" ? failure.event : undefined;
        emitter.emit("failed", {
          reason: `the usage journal: ${failure.reason}`,
          error: "error" in failure ? failure.error : failure,
          ...(usage !== undefined && {
            agentId: usage.agentId,
            meterName: usage.meterName,
            quantity: usage.quantity,
          }),
        });
      },
    });
    // The next event tries again.
    opening.catch(() => {
      opening = undefined;
    });
    return opening;
  };
  open().catch((error: unknown) =>
    emitter.emit("failed", { reason: "the usage journal could not be opened", error }),
  );
  return {
    open,
    flush: async () => (await open()).flush(),
    async close(timeout) {
      const opened = await opening?.catch(() => undefined);
      if (opened === undefined) return;
      const { pendingEvents } = await opened.close({ timeout });
      if (pendingEvents > 0) {
        const reason = `${pendingEvents} usage events wait in ${opened.directory} for the next process`;
        emitter.emit("failed", { reason, error: undefined });
      }
    },
  };
}
