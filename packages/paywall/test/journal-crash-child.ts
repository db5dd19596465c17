// A process that appends as fast as it can until it is killed: `node journal-crash-child.mjs DIRECTORY URL NOTES NAME`.
// As `once` it appends a single event and has nothing more to do.
// What it is about to append (`+`) and what was acknowledged (`=`) it notes in a file that outlives it.
import { openSync, writeSync } from "node:fs";
import { openJournal } from "../src/journal/open-journal.ts";

const [directory = "", url = "", notes = "", name = ""] = process.argv.slice(2);
const file = openSync(notes, "a");

const journal = await openJournal({
  directory,
  batchSize: 100,
  segmentBytes: 8 * 1024,
  flushInterval: 5,
  adoptInterval: 20,
  retryDelay: { first: 2, longest: 20 },
  deliver: async (events, { signal }) => {
    const response = await fetch(url, { method: "POST", body: JSON.stringify(events), signal });
    if (!response.ok) throw new Error(`the API answered ${response.status}`);
    const outcomes: unknown = await response.json();
    if (!Array.isArray(outcomes)) throw new Error("the API answered no outcomes");
    return outcomes;
  },
});

let count = 0;
async function appendForEver(): Promise<never> {
  for (;;) {
    const quantity = ++count;
    const idempotencyKey = `${name}-${quantity}`;
    writeSync(file, `+${idempotencyKey}\n`);
    await journal.append({
      idempotencyKey,
      timestamp: new Date().toISOString(),
      agentId: "agt_1",
      meterName: "api_calls",
      quantity,
    });
    writeSync(file, `=${idempotencyKey}\n`);
    // A pace that delivery can follow, so that the kill meets every stage of it.
    if (quantity % 40 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
if (name === "once") {
  await journal.append({
    idempotencyKey: "once",
    timestamp: new Date().toISOString(),
    agentId: "agt_1",
    meterName: "api_calls",
    quantity: 1,
  });
} else {
  await Promise.all(Array.from({ length: 8 }, appendForEver));
}
