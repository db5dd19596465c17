import { errorText } from "./message.ts";

/** The error of a session that is over, never was, or is another's: clients begin a new one. */
export const UNKNOWN_SESSION = {
  code: -32_001,
  message: "The session is not known. Begin a new one with initialize.",
} as const;

/** The same as a message that answers no request. */
export const UNKNOWN_SESSION_TEXT = errorText("null", UNKNOWN_SESSION.code, UNKNOWN_SESSION.message);
