import type { RequestId } from "../exchange.ts";
import { elementsOf, findAmbiguousKey, foldKey, textAt } from "./json-spans.ts";

/** A JSON-RPC message: its text, and what was seen of it. */
export type Message =
  | {
      readonly kind: "request";
      readonly text: string;
      readonly id: RequestId;
      readonly method: string;
      readonly params: unknown;
    }
  | {
      readonly kind: "notification";
      readonly text: string;
      readonly method: string;
      readonly params: unknown;
    }
  | {
      readonly kind: "response";
      readonly text: string;
      readonly id: RequestId | null;
      readonly result: unknown;
      readonly error: unknown;
    };

/** A request. */
export type RequestMessage = Extract<Message, { kind: "request" }>;
/** A notification. */
export type NotificationMessage = Extract<Message, { kind: "notification" }>;
/** A response. */
export type ResponseMessage = Extract<Message, { kind: "response" }>;

/** A text that is no message, with the JSON-RPC code for it. */
export class MessageError extends Error {
  readonly code: number;
  readonly id: RequestId | null;

  constructor(code: number, message: string, id: RequestId | null = null) {
    super(message);
    this.name = "MessageError";
    this.code = code;
    this.id = id;
  }
}

/** One message of a peer, or a batch of them. */
export interface Parcel {
  readonly messages: readonly Message[];
  readonly isBatch: boolean;
}

/** Most characters of the id of a client's message. */
const MAX_ID = 1_024;
/** Most messages of one batch. */
const MAX_BATCH = 100;
/** Keys by whose other spellings a careless reader would be led astray. */
const TOP_KEYS = new Set(["jsonrpc", "id", "method", "params", "result", "error"]);
const PARAMS_KEYS = new Set(["name", "uri", "arguments", "task", "ref", "_meta"]);

/**
 * Reads what a client sent. It must be clear to every reader: a gate that sees one method and a server that runs another
 * would serve for free.
 *
 * @throws MessageError
 */
export function readClientParcel(text: string): Parcel {
  const value = parse(text);
  const ambiguous = findAmbiguousKey(text);
  if (ambiguous !== undefined) {
    const key = JSON.stringify(ambiguous);
    throw new MessageError(
      -32600,
      `The key ${key} is in one object twice, perhaps in another case. Send it once.`,
    );
  }
  return readParcel(text, value, readClientMessage);
}

/**
 * Reads what an upstream sent.
 *
 * @throws MessageError where it is nothing of JSON-RPC
 */
export function readServerParcel(text: string): Parcel {
  return readParcel(text, parse(text), readServerMessage);
}

type Read = (text: string, value: Readonly<Record<string, unknown>>) => Message;

function readParcel(text: string, value: unknown, read: Read): Parcel {
  if (!Array.isArray(value)) return { messages: [read(text, toObject(value))], isBatch: false };
  if (value.length === 0 || value.length > MAX_BATCH)
    throw new MessageError(-32600, `A batch has 1 to ${MAX_BATCH} messages, not ${value.length}.`);
  const spans = elementsOf(text);
  const messages = spans.map(({ start, end }, index) => read(text.slice(start, end), toObject(value[index])));
  return { messages, isBatch: true };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new MessageError(-32700, "This is not valid JSON.");
  }
}

function toObject(value: unknown): Readonly<Record<string, unknown>> {
  if (isObject(value)) return value;
  throw new MessageError(-32600, "A JSON-RPC message is an object.");
}

/** Returns whether a value is an object with members. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function idOf({ id }: Readonly<Record<string, unknown>>): RequestId | null {
  return typeof id === "string" || typeof id === "number" ? id : null;
}

function readClientMessage(text: string, value: Readonly<Record<string, unknown>>): Message {
  const id = idOf(value);
  const refuse = (sentence: string) => new MessageError(-32600, sentence, id);
  if (value["jsonrpc"] !== "2.0") throw refuse('A JSON-RPC message has "jsonrpc": "2.0".');
  refuseSpellings(Object.keys(value), TOP_KEYS, refuse);
  const message = readMessage(text, value);
  if (message === undefined)
    throw refuse("A JSON-RPC message has a method, or an id and either a result or an error.");
  if (message.kind === "response") {
    if (message.id === null) throw refuse("A response has the id of its request.");
    // A method that is no string is one to a server which looks it up as it came.
    if ("method" in value) throw refuse("A response has no method.");
    return message;
  }
  if ("result" in value || "error" in value) throw refuse("A request has neither a result nor an error.");
  if ("id" in value && (message.kind === "notification" || !isRepeatable(message.id)))
    throw refuse(`The id of a request is a number, or a string of at most ${MAX_ID} characters.`);
  const { params } = message;
  if (params !== undefined && (typeof params !== "object" || params === null))
    throw refuse("The params of a request are an object.");
  if (isObject(params)) refuseSpellings(Object.keys(params), PARAMS_KEYS, refuse);
  return message;
}

/** Returns whether every server can send an id back as it came: one whose response is lost runs, and nothing settles it. */
function isRepeatable(id: RequestId): boolean {
  return typeof id === "number" ? Number.isFinite(id) : id.length <= MAX_ID && !/\p{Cs}/u.test(id);
}

function refuseSpellings(
  keys: readonly string[],
  known: ReadonlySet<string>,
  refuse: (sentence: string) => MessageError,
): void {
  const other = keys.find((key) => {
    const folded = foldKey(key);
    return folded !== key && known.has(folded);
  });
  if (other !== undefined) throw refuse(`${JSON.stringify(other)} is written in lower case.`);
}

function readServerMessage(text: string, value: Readonly<Record<string, unknown>>): Message {
  const message = readMessage(text, value);
  if (message === undefined) throw new MessageError(-32600, "This is no JSON-RPC message.");
  return message;
}

function readMessage(text: string, value: Readonly<Record<string, unknown>>): Message | undefined {
  const { method, params, result, error } = value;
  const id = idOf(value);
  if (typeof method === "string")
    return id === null
      ? { kind: "notification", text, method, params }
      : { kind: "request", text, id, method, params };
  if (!("id" in value) || (!("result" in value) && !("error" in value))) return undefined;
  return { kind: "response", text, id, result, error };
}

/** Returns the text of a message's id as it came, such as `1.0`. */
export function idTextOf(text: string): string {
  return textAt(text, ["id"]) ?? "null";
}

/** Returns a key for a request's id: 1 and "1" are two requests. */
export function idKey(id: RequestId): string {
  return `${typeof id}:${id}`;
}

/** Returns the text of a JSON-RPC error response. */
export function errorText(idText: string, code: number, message: string): string {
  return `{"jsonrpc":"2.0","id":${idText},"error":{"code":${code},"message":${JSON.stringify(message)}}}`;
}

/** Returns the value of a key in `params._meta`. */
export function metaOf(params: unknown, key: string): unknown {
  if (!isObject(params)) return undefined;
  const meta = params["_meta"];
  return isObject(meta) ? meta[key] : undefined;
}

const PROTOCOL_VERSION = "io.modelcontextprotocol/protocolVersion";

/** Returns the version that a message carries itself, as each does in the era without sessions (from 2026-07-28). */
export function versionOf({ params }: { readonly params: unknown }): string | undefined {
  const version = metaOf(params, PROTOCOL_VERSION);
  return typeof version === "string" ? version : undefined;
}

/** Returns whether a message is of the era without sessions. */
export function isSessionless(message: Message): boolean {
  return message.kind !== "response" && versionOf(message) !== undefined;
}
