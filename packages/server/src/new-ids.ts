import { v7 as uuidv7 } from "uuid";
import type { RandomBytes } from "./accounts/secrets.ts";

const ID_BYTES = 16;
const POOLED_IDS = 256;
const SEQUENCE_END = 2 ** 32;

/**
 * Makes UUIDs of version 7 that grow also within one millisecond. Randomness is asked for once for many of them: to
 * ask the system for each takes longer than all else that is done for a recorded event.
 */
export function createIds(randomBytes: RandomBytes, time: () => number = Date.now): () => string {
  let pool: Uint8Array = new Uint8Array();
  let used = 0;
  let msecs = 0;
  let seq = 0;
  return () => {
    if (used === pool.length) {
      pool = randomBytes(ID_BYTES * POOLED_IDS);
      used = 0;
    }
    const random = pool.subarray(used, used + ID_BYTES);
    used += ID_BYTES;
    const now = time();
    if (now > msecs) {
      msecs = now;
      // The upper half is left to count in.
      seq = new DataView(random.buffer, random.byteOffset).getUint32(0) >>> 1;
    } else if (++seq === SEQUENCE_END) {
      msecs += 1;
      seq = 0;
    }
    return uuidv7({ random, msecs, seq });
  };
}
