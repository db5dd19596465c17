import type { Licentric, UsageRecordParams } from "@licentric/sdk";
import { Command } from "commander";
import { callApi } from "../call-api.ts";
import {
  type DeadLetter,
  deadLetterFiles,
  keepRefused,
  putAside,
  readDeadLetters,
  takeOver,
} from "../dead-letters.ts";
import { EXIT, usageError } from "../exit-codes.ts";
import { jsonOption, type OutputOptions, print } from "../terminal/print.ts";
import { table } from "../terminal/table.ts";

interface ResendOptions extends OutputOptions {
  readonly dryRun?: true;
}

/** Outcome of sending a journal's refused usage again. */
interface Resent {
  recorded: number;
  /** Had been recorded by an earlier attempt, whose answer was lost. */
  duplicates: number;
  /** Events that the API refuses as before. */
  refused: number;
  /** Lines that hold no event: damaged bytes, or what a crash has cut short. */
  unreadable: number;
  /** Files in which the last two are kept. */
  readonly files: string[];
  /** Number of events that were refused for each reason. */
  readonly reasons: Record<string, number>;
}

/** A request stays below the 100 kB that proxies commonly allow. */
const BATCH_EVENTS = 500;
const BATCH_BYTES = 64 * 1024;

/** `licentric usage resend`: records what a paywall's journal keeps because the API had refused it. */
export function resendCommand(env: NodeJS.ProcessEnv): Command {
  return new Command("resend")
    .description(
      "record the usage that a paywall's journal keeps in `rejected`, once what it was refused for is mended; " +
        "nothing is recorded twice",
    )
    .argument("<directory>", "the journal's directory; the paywall may be running")
    .option("--dry-run", "show what would be sent, and why it was refused")
    .addOption(jsonOption())
    .action(async (directory: string, options: ResendOptions) => {
      const files = await deadLetterFiles(directory).catch((error: Error) => {
        throw usageError(`${directory} cannot be read: ${error.message}`);
      });
      if (options.dryRun) {
        const letters = (await Promise.all(files.map((path) => readDeadLetters(path)))).flatMap(
          (each) => each.letters,
        );
        print(options, letters.map(shownLetter), waitingView);
        return;
      }
      if (files.length === 0) {
        print(options, nothingResent(), () => "No usage was refused.\n");
        return;
      }
      const resent = await callApi(env, "recording usage", (client) => resendFiles(client, files));
      print(options, resent, resentView);
      if (resent.refused + resent.unreadable > 0) process.exitCode = EXIT.error;
    });
}

const nothingResent = (): Resent => ({
  recorded: 0,
  duplicates: 0,
  refused: 0,
  unreadable: 0,
  files: [],
  reasons: {},
});

async function resendFiles(client: Licentric, files: readonly string[]): Promise<Resent> {
  const resent = nothingResent();
  const stamp = new Date().toISOString().replaceAll(/[-:.]/g, "");
  for (const path of files) {
    const taken = await takeOver(path, stamp);
    if (taken === undefined) continue;
    const kept: string[] = [];
    // The journal may have been in the middle of a line when the file was taken over.
    for (let from = 0; ; ) {
      const { letters, size } = await readDeadLetters(taken, from);
      if (size === from) break;
      kept.push(...(await resend(client, letters, resent)));
      from = size;
    }
    if (kept.length > 0) resent.files.push(await keepRefused(taken, stamp, kept));
    await putAside(taken);
  }
  return resent;
}

/** Sends events again, and returns the lines of those that stay refused. */
async function resend(client: Licentric, letters: readonly DeadLetter[], resent: Resent): Promise<string[]> {
  const kept = letters.filter(({ event }) => event === undefined).map(({ line }) => line);
  resent.unreadable += kept.length;
  for (const events of batches(letters.flatMap(({ event }) => event ?? []))) {
    const outcomes = await client.usage.recordBatch(events);
    for (const [index, outcome] of outcomes.entries()) {
      if (outcome.status === "recorded") resent.recorded += 1;
      else if (outcome.status === "duplicate") resent.duplicates += 1;
      else {
        const { error, code } = outcome;
        resent.refused += 1;
        resent.reasons[error] = (resent.reasons[error] ?? 0) + 1;
        kept.push(
          JSON.stringify({ event: events[index], error, code, rejectedAt: new Date().toISOString() }),
        );
      }
    }
  }
  return kept;
}

function* batches(events: readonly UsageRecordParams[]): Generator<UsageRecordParams[]> {
  let batch: UsageRecordParams[] = [];
  let bytes = 0;
  for (const event of events) {
    const length = Buffer.byteLength(JSON.stringify(event)) + 1;
    if (batch.length === BATCH_EVENTS || (batch.length > 0 && bytes + length > BATCH_BYTES)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(event);
    bytes += length;
  }
  if (batch.length > 0) yield batch;
}

function shownLetter({ event, error, line }: DeadLetter) {
  return event === undefined ? { unreadable: line } : { event, error: error ?? null };
}

function waitingView(letters: readonly ReturnType<typeof shownLetter>[]): string {
  if (letters.length === 0) return "No usage was refused.\n";
  return table(
    ["AGENT", "METER", "QUANTITY", "TIME", "REFUSED FOR"],
    letters.map((letter) =>
      "unreadable" in letter
        ? ["", "", "", "", "no event: damaged, or cut short by a crash"]
        : [
            letter.event.agentId,
            letter.event.meterName,
            letter.event.quantity ?? 1,
            letter.event.timestamp ?? "",
            letter.error ?? "",
          ],
    ),
  );
}

function resentView({ recorded, duplicates, refused, unreadable, files, reasons }: Resent): string {
  const lines = [`Recorded: ${recorded}`];
  if (duplicates > 0) lines.push(`Recorded before, and not again: ${duplicates}`);
  for (const [reason, count] of Object.entries(reasons)) lines.push(`Refused again: ${count} (${reason})`);
  if (unreadable > 0) lines.push(`No event, damaged or cut short by a crash: ${unreadable}`);
  if (refused + unreadable > 0) lines.push(`Kept in ${files.join(", ")}`);
  return `${lines.join("\n")}\n`;
}
