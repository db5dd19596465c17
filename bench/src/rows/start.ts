import { fileURLToPath } from "node:url";
import { request } from "undici";
import { startChild, startProgram } from "../children.ts";
import { divide, type Effort, middle, milliseconds, type Row } from "../compare.ts";
import { embedded } from "../databases.ts";

const LICENTRIC = fileURLToPath(new URL("node_modules/licentric/dist/bin.js", import.meta.url));

/** From the start of `licentric dev` to its first answer ÷ the same of a JSON echo on `node:http`. */
export async function start({ quick }: Effort): Promise<Row[]> {
  const rounds = quick ? 1 : 7;
  const [bare = [], first = [], later = []] = await inEachRound(rounds);
  const row = (what: string, times: number[]): Row => ({
    name: `${what} of the embedded server`,
    ratio: "licentric dev to its first answer ÷ a JSON echo to its",
    ...divide(times, bare),
    figures: `${middle(times)} ÷ ${middle(bare)} ms`,
  });
  return [row("first start", first), row("later start", later)];
}

/** Each round has a new data directory: the first start makes the database in it, the second finds it there. */
async function inEachRound(rounds: number): Promise<number[][]> {
  const measured: number[][] = [[], [], []];
  for (let round = 0; round <= rounds; round++) {
    await embedded.withNew(async (location) => {
      const dataDir = "dataDirectory" in location ? location.dataDirectory : "";
      const dev = () => startProgram(LICENTRIC, ["dev", "--json", "--port", "0", "--data-dir", dataDir]);
      for (const [index, program] of [() => startChild("serve-echo"), dev, dev].entries()) {
        const time = await toFirstAnswer(program);
        if (round > 0) measured[index]?.push(time);
      }
    });
  }
  return measured;
}

async function toFirstAnswer(program: () => ReturnType<typeof startProgram>): Promise<number> {
  let running: Awaited<ReturnType<typeof startProgram>> | undefined;
  try {
    return await milliseconds(async () => {
      running = await program();
      const { statusCode, body } = await request(new URL("/healthz", running.url));
      await body.dump();
      if (statusCode !== 200) throw new Error(`the first answer was ${statusCode}`);
    });
  } finally {
    await running?.stop();
  }
}
