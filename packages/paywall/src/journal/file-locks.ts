import { createRequire } from "node:module";
import { isRecord } from "../util/record.ts";
import { JournalError, unsupportedRuntime } from "./journal-error.ts";

/** Locks a file exclusively, or returns false where somebody else has. */
export type TryLock = (file: number) => boolean;

/**
 * Loads the file locks of the system, which Node has not.
 *
 * @throws {JournalError} `JOURNAL_UNSUPPORTED` where they are not installed, or have no binary for this platform
 */
export function loadTryLock(): TryLock {
  // Their native code ends a process of another runtime.
  for (const name of ["bun", "deno"])
    if (process.versions[name] !== undefined) throw unsupportedRuntime(name);
  try {
    // Not imported: who keeps no journal installs none, and no bundler can take native code in.
    const locks: unknown = createRequire(import.meta.url)("fs-native-extensions");
    if (isLocks(locks)) return locks.tryLock;
    throw new TypeError("it has no function tryLock");
  } catch (error) {
    throw new JournalError(
      "JOURNAL_UNSUPPORTED",
      "fileJournal needs the package fs-native-extensions, for file locks that end with the process, and it could " +
        "not be loaded. Install it: npm install fs-native-extensions. In a bundle, leave it and @licentric/paywall " +
        "out (external; serverExternalPackages in Next.js). Where it has no binary for this platform, leave metering " +
        'at "request" and onUnavailable at "deny"',
      { cause: error },
    );
  }
}

const isLocks = (locks: unknown): locks is { readonly tryLock: TryLock } =>
  isRecord(locks) && typeof locks["tryLock"] === "function";
