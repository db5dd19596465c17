import { connect } from "node:net";

/** An answer to bytes that may be no HTTP at all. */
export interface RawAnswer {
  /** 0 where the server closed the connection without an answer. */
  readonly status: number;
  readonly text: string;
}

/** A request as it goes over the wire; nothing of it is checked or encoded. */
export interface RawRequest {
  readonly method: string;
  readonly target: string;
  /** Whole lines, without their ends. */
  readonly headers: readonly string[];
  readonly body: Uint8Array | null;
}

const TIMEOUT = 30_000;

/** Sends the request byte for byte over a connection of its own. Header lines are sent as Latin-1. */
export function sendRaw(origin: string, { method, target, headers, body }: RawRequest): Promise<RawAnswer> {
  const { hostname, port } = new URL(origin);
  const lines = [`${method} ${target} HTTP/1.1`, `Host: ${hostname}`, "Connection: close", ...headers];
  if (body !== null) lines.push(`Content-Length: ${body.byteLength}`);
  const head = Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect({ host: hostname, port: Number(port) });
    socket.setTimeout(TIMEOUT, () => {
      socket.destroy();
      reject(new Error(`no answer within ${TIMEOUT} ms to ${method} ${target}`));
    });
    socket.on("data", (chunk) => chunks.push(chunk));
    // A server that refuses a large body closes the connection while the rest is still being written.
    socket.on("error", () => {});
    socket.on("close", () => resolve(parseAnswer(Buffer.concat(chunks))));
    // No end: Node takes a half-closed connection for one that nobody waits on.
    socket.write(Buffer.concat([head, body ?? new Uint8Array()]));
  });
}

function parseAnswer(bytes: Buffer): RawAnswer {
  // "100 Continue" is no answer yet.
  const text = bytes.toString("utf8").replace(/^(HTTP\/1\.1 1\d\d .*\r\n\r\n)+/, "");
  const end = text.indexOf("\r\n\r\n");
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0);
  return { status, text: end === -1 ? "" : text.slice(end + 4) };
}
