import { Buffer } from "node:buffer";

/** An object of a known type, by what tells it from others of it. */
export interface KnownObject {
  readonly name: string;
  readonly content: unknown;
  /** Its own properties that say more. */
  readonly keys: readonly PropertyKey[];
}

interface KnownType {
  readonly name: string;
  read(value: object): unknown;
  keysOf(value: object): readonly PropertyKey[];
}

const allKeys = (value: object) => Reflect.ownKeys(value);
/** Runtimes keep the state of their own objects under symbols. */
const stringKeys = (value: object) => Reflect.ownKeys(value).filter((key) => typeof key === "string");
/** The stack says where an error was made, and nothing of what it is. */
const keysOfError = (value: object) => stringKeys(value).filter((key) => key !== "stack");
/** The elements are properties, too. */
const noKeys = () => [];

function knownType<Type extends object>(
  { name, prototype }: { readonly name: string; readonly prototype: Type },
  read: (value: Type) => unknown,
  keysOf: KnownType["keysOf"] = stringKeys,
): readonly [object, KnownType] {
  // Read only where the prototype is this one.
  return [prototype, { name, read: (value) => read(value as Type), keysOf }];
}

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView) =>
  Buffer.from(buffer, byteOffset, byteLength).toString("base64");

const KNOWN_TYPES = new Map<unknown, KnownType>([
  knownType(Map, (map) => [...map], allKeys),
  knownType(Set, (set) => [...set], allKeys),
  knownType(Date, (date) => date.getTime(), allKeys),
  // Where it goes on is a property of its own.
  knownType(RegExp, ({ source, flags }) => [source, flags], allKeys),
  ...[Number, String, Boolean, BigInt, Symbol].map((type) =>
    knownType<object>(type, (value) => value.valueOf(), allKeys),
  ),
  knownType(URL, ({ href }) => href),
  knownType(URLSearchParams, (parameters) => [...parameters]),
  knownType(Headers, (headers) => [...headers]),
  knownType(FormData, (form) => [...form]),
  knownType(DOMException, ({ name, message }) => [name, message], keysOfError),
  ...[Error, AggregateError, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError].map(
    (type) => knownType<object>(type, () => null, keysOfError),
  ),
  knownType(ArrayBuffer, (buffer) => Buffer.from(buffer).toString("base64")),
  ...[Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array].map(
    (type) => knownType<ArrayBufferView>(type, bytesOf, noKeys),
  ),
  ...[Float32Array, Float64Array, BigInt64Array, BigUint64Array, DataView, Buffer].map((type) =>
    knownType<ArrayBufferView>(type, bytesOf, noKeys),
  ),
]);

/** Reads an object of a known type; undefined where it is of another one, or only has the prototype. */
export function readKnown(value: object, prototype: unknown): KnownObject | undefined {
  const type = KNOWN_TYPES.get(prototype);
  if (type === undefined) return undefined;
  try {
    return { name: type.name, content: type.read(value), keys: type.keysOf(value) };
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}
