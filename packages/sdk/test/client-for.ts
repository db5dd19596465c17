import { onTestFinished } from "vitest";
import { type ClientOptions, Licentric } from "../src/index.ts";

/** A key that is only well-formed. */
export const TEST_KEY = "lk_test_0123456789abcdef";

/** A token that is only well-formed. */
export const TEST_TOKEN = "AGT-0123456789abcdefghij";

/** A client for one test, closed after it. */
export function clientFor(baseUrl: string, options: ClientOptions = {}): Licentric {
  const client = new Licentric({ apiKey: TEST_KEY, baseUrl, ...options });
  onTestFinished(() => client.close());
  return client;
}

/** The error that a call throws; throws itself where it does not. */
export async function errorOf(call: PromiseLike<unknown>): Promise<unknown> {
  try {
    await call;
  } catch (error) {
    return error;
  }
  throw new Error("the call was expected to throw, and did not");
}
