import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { afterEach, expect, it } from "vitest";
import { DatabaseUnavailableError } from "../src/store/database.ts";
import { openPostgres } from "../src/store/postgres.ts";

/** A message of PostgreSQL's protocol. */
function message(type: string, body: Buffer | string): Buffer {
  const bytes = Buffer.from(body);
  const length = Buffer.alloc(4);
  length.writeInt32BE(bytes.length + 4);
  return Buffer.concat([Buffer.from(type), length, bytes]);
}

const READY = message("Z", "I");
const WELCOME = Buffer.concat([message("R", Buffer.alloc(4)), READY]);
const DONE = Buffer.concat([message("C", "SELECT 0\0"), READY]);
const CANCELLED = Buffer.concat([
  message("E", "SERROR\0C57014\0Mcanceling statement due to user request\0\0"),
  READY,
]);
const CUT = message("E", "SFATAL\0C57P01\0Mterminating connection due to administrator command\0\0");
// One row of one text column: "150000".
const VERSION = Buffer.concat([
  message("T", Buffer.from("0001760000000000000000000019ffffffffffff0000", "hex")),
  message("D", Buffer.from("000100000006313530303030", "hex")),
  message("C", "SELECT 1\0"),
  READY,
]);

/** Plays the first connection's part well, and cuts every later one in the moment in which it is ready. */
const server = createServer((socket: Socket) => {
  connections += 1;
  const isFirst = connections === 1;
  socket.on("error", () => undefined);
  socket.once("data", () => {
    if (!isFirst) {
      socket.end(Buffer.concat([WELCOME, CUT]));
      return;
    }
    socket.write(WELCOME);
    socket.once("data", () => socket.end(VERSION));
  });
});
let connections = 0;

afterEach(() => {
  server.close();
});

it("a connection that is cut in the moment in which it is ready fails what wanted it, and nothing else", async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  const db = await openPostgres(`postgres://nobody@127.0.0.1:${address.port}/none`);
  for (let attempt = 0; attempt < 3; attempt += 1) {
    await expect(db.transaction((tx) => tx.query("SELECT 1"))).rejects.toThrow(DatabaseUnavailableError);
    await expect(db.query("SELECT 1")).rejects.toThrow(DatabaseUnavailableError);
  }
  expect(connections).toBeGreaterThan(3);
  await db.close();
});

it.each([
  ["sends its first statements with BEGIN and has no result where that failed", true, ["BEGIN", "LOCK"]],
  ["waits for BEGIN first, unless it is told that nothing is changed before", false, ["BEGIN"]],
])("a transaction %s", async (_, readsFirst, sent) => {
  const asked: string[] = [];
  const failsToBegin = createServer((socket: Socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => {
      socket.write(WELCOME);
      socket.on("data", (data) => {
        for (let rest = data; rest.length > 0; rest = rest.subarray(1 + rest.readInt32BE(1))) {
          const text = rest.toString("latin1", 5, rest.readInt32BE(1));
          if (rest.toString("latin1", 0, 1) !== "Q") continue;
          if (/version_num/.test(text)) socket.write(VERSION);
          else {
            asked.push(text);
            socket.write(text === "BEGIN" ? CANCELLED : DONE);
          }
        }
      });
    });
  });
  failsToBegin.listen(0, "127.0.0.1");
  await once(failsToBegin, "listening");
  const address = failsToBegin.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  const db = await openPostgres(`postgres://nobody@127.0.0.1:${address.port}/none`);
  try {
    const work = db.transaction(
      async (tx) => {
        await tx.query("LOCK");
        await tx.query("CHANGE");
      },
      { readsFirst },
    );
    await expect(work).rejects.toMatchObject({ code: "57014" });
    expect(asked).toEqual([...sent, "ROLLBACK"]);
  } finally {
    await db.close();
    failsToBegin.close();
  }
});
