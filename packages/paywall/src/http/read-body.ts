import { WHOLE_BODY_SIZE } from "./whole-response.ts";

type Reader = ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;
type Read = Awaited<ReturnType<Reader["read"]>>;

/** A body: all of its bytes, or what there is of it and a way to go on. */
export type ReadBody =
  | { readonly whole: Uint8Array<ArrayBuffer> }
  | {
      readonly chunks: Uint8Array<ArrayBuffer>[];
      readonly next: Promise<Read> | undefined;
      readonly reader: Reader;
    };

/**
 * Reads what there is of a body at once: all of it, where it was made of a string or of bytes.
 *
 * @throws what the body fails with; TypeError where it was read before, or is no stream of bytes
 */
export async function readAtOnce(body: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<ReadBody> {
  const reader = body.getReader();
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const later = new Promise<"later">((resolve) => {
    timer = setTimeout(resolve, 0, "later");
  });
  try {
    while (size <= WHOLE_BODY_SIZE) {
      const next = reader.read();
      const read = await Promise.race([next, later]);
      if (read === "later") return { chunks, next, reader };
      if (read.done) return { whole: joined(chunks, size) };
      if (!ArrayBuffer.isView(read.value)) {
        const error = new TypeError("the body of a response has to be a stream of bytes");
        await reader.cancel(error);
        throw error;
      }
      chunks.push(read.value);
      size += read.value.byteLength;
    }
    return { chunks, next: undefined, reader };
  } finally {
    clearTimeout(timer);
  }
}

/** Puts chunks together. */
export function joined(chunks: readonly Uint8Array[], size: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return whole;
}

/** The end of a body that is read as it comes. */
export type StreamEnd = "sent" | "failed" | "client gone";

/**
 * Passes a body on as the client reads it, and closes it once it is settled.
 *
 * @param rest - what was read of it, and how to go on
 * @param ended - is told once how it ended
 * @param settled - resolves to an error where the body must not look complete
 */
export function passOn(
  { chunks, next: first, reader }: Exclude<ReadBody, { readonly whole: unknown }>,
  ended: (end: StreamEnd) => void,
  settled: () => Promise<Error | undefined>,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let pending = first;
  return new ReadableStream(
    {
      async pull(controller) {
        const chunk = chunks.shift();
        if (chunk !== undefined) return controller.enqueue(chunk);
        let read: Read;
        try {
          read = await (pending ?? reader.read());
          pending = undefined;
        } catch (error) {
          ended("failed");
          throw error;
        }
        if (!read.done) return controller.enqueue(read.value);
        ended("sent");
        const error = await settled();
        if (error === undefined) controller.close();
        else controller.error(error);
      },
      async cancel(reason) {
        ended("client gone");
        await reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}
