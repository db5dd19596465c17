import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/**
 * What stands in for a pooler in transaction mode, as PgBouncer before 1.21: a client has a connection to PostgreSQL
 * for as long as its transaction, and each time another one, so that a statement that it prepared by name is not
 * there, or is another client's. Settings that come with a connection are refused.
 */
export interface TransactionPooler {
  /** The database, by way of the pooler. */
  readonly databaseUrl: string;
  close(): Promise<void>;
}

interface Message {
  readonly type: string;
  readonly bytes: Buffer;
}

const SERVERS = 3;
const TAKEN = new Set(["user", "database", "application_name", "client_encoding"]);

/** Starts the pooler, on a free port of loopback. The user needs no password. */
export async function startTransactionPooler(databaseUrl: string): Promise<TransactionPooler> {
  const sockets = new Set<Socket>();
  const servers: ServerConnection[] = [];
  const idle: ServerConnection[] = [];
  const waiting: ((server: ServerConnection) => void)[] = [];
  const giveBack = (server: ServerConnection) => {
    const next = waiting.shift();
    if (next !== undefined) next(server);
    else idle.push(server);
  };
  for (let count = 0; count < SERVERS; count += 1) {
    const server = await openServerConnection(databaseUrl);
    sockets.add(server.socket);
    servers.push(server);
    idle.push(server);
  }

  const listener = createServer((client) => {
    sockets.add(client);
    client.on("error", () => client.destroy());
    let server: ServerConnection | undefined;
    // Every time the one that was not used for longest: never the same again where there is another.
    const take = async () => {
      server ??= idle.shift() ?? (await new Promise<ServerConnection>((resolve) => waiting.push(resolve)));
      return server;
    };
    let asked: Buffer[] = [];
    let handling: Promise<void> = Promise.resolve();
    // As a pooler does: what a client leaves open is ended before another one has the connection.
    const leave = async () => {
      if (server === undefined) return;
      const left = server;
      server = undefined;
      await left.ask(message("Q", "ROLLBACK\0"), () => {});
      giveBack(left);
    };
    client.on("close", () => {
      handling = handling.then(leave);
    });
    const handle = async ({ type, bytes }: Message) => {
      if (type === "X") return void client.end();
      asked.push(bytes);
      // Everything up to here goes together: an answer comes for all of it.
      if (type !== "S" && type !== "Q") return;
      const request = Buffer.concat(asked);
      asked = [];
      const taken = await take();
      const isOver = await taken.ask(request, (answer) => client.write(answer));
      if (!isOver) return;
      server = undefined;
      giveBack(taken);
    };
    const startUp = (bytes: Buffer) => {
      const refused = settingsOf(bytes).find((name) => !TAKEN.has(name));
      if (refused === undefined) return void client.write(WELCOME);
      client.end(message("E", `SFATAL\0C08P01\0Munsupported startup parameter: ${refused}\0\0`));
    };
    readMessages(client, { hasStartUp: true }, (each) => {
      if (each.type === "") return startUp(each.bytes);
      handling = handling.then(() => handle(each));
    });
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const address = listener.address();
  if (address === null || typeof address === "string") throw new Error("the pooler has no port");
  const url = new URL(databaseUrl);
  url.host = `127.0.0.1:${address.port}`;
  return {
    databaseUrl: url.href,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      listener.close();
      await once(listener, "close");
    },
  };
}

interface ServerConnection {
  readonly socket: Socket;
  /** Sends a request and passes on what comes; answers whether the transaction is over. */
  ask(request: Buffer, onAnswer: (bytes: Buffer) => void): Promise<boolean>;
}

async function openServerConnection(databaseUrl: string): Promise<ServerConnection> {
  const { hostname, port, username, pathname } = new URL(databaseUrl);
  const socket = connect(Number(port || 5432), hostname);
  socket.on("error", () => socket.destroy());
  let onAnswer: (bytes: Buffer) => void = () => {};
  let onReady: (isOver: boolean) => void = () => {};
  const ready = () =>
    new Promise<boolean>((resolve) => {
      onReady = resolve;
    });
  readMessages(socket, { hasStartUp: false }, ({ type, bytes }) => {
    onAnswer(bytes);
    // Its last byte says whether a transaction is open.
    if (type === "Z") onReady(bytes.at(-1) === "I".charCodeAt(0));
  });
  const settings = Buffer.from(`user\0${username}\0database\0${pathname.slice(1)}\0\0`);
  const head = Buffer.alloc(8);
  head.writeInt32BE(settings.length + 8, 0);
  head.writeInt32BE(PROTOCOL, 4);
  const started = ready();
  socket.write(Buffer.concat([head, settings]));
  await started;
  return {
    socket,
    ask: (request, listener) => {
      onAnswer = listener;
      const answered = ready();
      socket.write(request);
      return answered;
    },
  };
}

/** Cuts a stream into the messages of PostgreSQL's protocol; the first of a client's has no type. */
function readMessages(
  socket: Socket,
  { hasStartUp }: { readonly hasStartUp: boolean },
  onMessage: (message: Message) => void,
): void {
  let rest = Buffer.alloc(0);
  let isFirst = hasStartUp;
  socket.on("data", (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    for (;;) {
      const typed = isFirst ? 0 : 1;
      if (rest.length < typed + 4) return;
      const length = typed + rest.readInt32BE(typed);
      if (rest.length < length) return;
      const bytes = rest.subarray(0, length);
      rest = rest.subarray(length);
      onMessage({ type: isFirst ? "" : String.fromCharCode(bytes[0] ?? 0), bytes });
      isFirst = false;
    }
  });
}

const PROTOCOL = 196_608;

function settingsOf(startUp: Buffer): string[] {
  const parts = startUp.subarray(8).toString().split("\0");
  return parts.filter((part, index) => index % 2 === 0 && part !== "");
}

function message(type: string, body: Buffer | string): Buffer {
  const bytes = Buffer.from(body);
  const length = Buffer.alloc(4);
  length.writeInt32BE(bytes.length + 4);
  return Buffer.concat([Buffer.from(type), length, bytes]);
}

// The key by which a client cancels is the pooler's own.
const WELCOME = Buffer.concat([
  message("R", Buffer.alloc(4)),
  message("K", Buffer.from("7fffffff00000000", "hex")),
  message("Z", "I"),
]);
