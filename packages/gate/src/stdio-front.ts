import type { Readable, Writable } from "node:stream";
import type { FrontOptions } from "./exchange.ts";
import { toLimits } from "./limits.ts";
import { createLineSplitter } from "./message/line-splitter.ts";
import {
  errorText,
  idKey,
  type Message,
  MessageError,
  type RequestMessage,
  readClientParcel,
  readServerParcel,
} from "./message/message.ts";
import type { Answer } from "./session/answer.ts";
import type { Sender } from "./session/send.ts";
import { type ClientSession, createSession } from "./session/session.ts";
import { openUpstream } from "./upstream/open-upstream.ts";
import { UpstreamError } from "./upstream/upstream-error.ts";

/** Options of a front on standard input and output. */
export interface StdioFrontOptions extends FrontOptions {
  /** The agent's token; undefined where there is none. */
  readonly token: string | undefined;
  readonly input: Readable;
  readonly output: Writable;
}

/**
 * Serves one client on standard input and output, until it closes them.
 *
 * @throws UpstreamError where the upstream's command is not there, or the upstream cannot be kept up
 */
export async function runStdioFront(options: StdioFrontOptions): Promise<void> {
  const { token, input, output, rules, say } = options;
  const limits = toLimits(options.limits);
  const upstream = await openUpstream(options.upstream, { limits, say });
  const sender: Sender = { token, headers: {} };
  const write = (text: string) => void output.write(`${text.replace(/[\r\n]/g, " ")}\n`);
  const standalone = { isHeard: true, begin() {}, message: write };
  let finish: (closed: Promise<void>) => void = () => {};
  const over = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const session = createSession({
    id: undefined,
    rules,
    say,
    openChannel: upstream.openSession,
    standalone,
    onEnd: finish,
  });
  let isClientGone = false;
  const leave = () => {
    isClientGone = true;
    void session.end();
  };
  const fail = (error: unknown) => {
    if (error instanceof MessageError) write(errorText(JSON.stringify(error.id), error.code, error.message));
    else say(error instanceof Error ? error.message : String(error));
  };
  const split = createLineSplitter(limits.maxClientBytes, {
    onLine(line) {
      const text = line.toString("utf8").trim();
      if (text !== "") read(text, session, sender, standalone).catch(fail);
    },
    onTooLong: () => fail(new MessageError(-32_600, `A message has at most ${limits.maxClientBytes} bytes.`)),
  });
  input.on("data", split).once("end", leave).once("error", leave);
  output.once("error", leave);
  await over;
  input.off("data", split);
  await upstream.close();
  if (!isClientGone) throw new UpstreamError("The upstream cannot be kept running, so the gate ends.");
}

type Standalone = NonNullable<Parameters<typeof createSession>[0]["standalone"]>;

async function read(text: string, session: ClientSession, sender: Sender, output: Standalone): Promise<void> {
  const { messages, isBatch } = readClientParcel(text);
  const answers = await Promise.all(messages.map((message) => handle(message, session, sender, output)));
  const texts = answers.filter((answer) => answer !== undefined);
  if (texts.length > 0) output.message(isBatch ? `[${texts.join(",")}]` : texts.join(""));
}

async function handle(
  message: Message,
  session: ClientSession,
  sender: Sender,
  output: Standalone,
): Promise<string | undefined> {
  if (message.kind === "request") {
    const answer = await session.handle(message, sender, output);
    return answer === undefined ? undefined : textOf(message, answer);
  }
  await session.take(message, sender);
  // A remote upstream is asked for what belongs to no request; it may have none.
  if (message.kind === "notification" && message.method === "notifications/initialized")
    await session.listen().catch(() => {});
  return undefined;
}

/** Returns the upstream's own error where its HTTP response held one, which here is a message as any other. */
function textOf({ id }: RequestMessage, { text, body }: Answer): string {
  if (body === undefined) return text;
  try {
    const [first] = readServerParcel(body).messages;
    const isItsOwn = first?.kind === "response" && first.id !== null && idKey(first.id) === idKey(id);
    return isItsOwn ? first.text : text;
  } catch {
    return text;
  }
}
