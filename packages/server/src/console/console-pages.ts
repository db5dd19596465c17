import { readdirSync, readFileSync } from "node:fs";
import { extname, join, relative, sep } from "node:path";
import { gzipSync } from "node:zlib";

/** One file of the console, as it is answered. */
export interface ConsoleFile {
  readonly type: string;
  readonly body: Buffer;
  readonly gzipped: Buffer;
  /** True where the name has a hash of the content in it: what it names never changes. */
  readonly isHashed: boolean;
}

const TYPES: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
};

/** The console's files. */
export interface ConsoleFiles {
  /** The page itself, which every address of the console answers. */
  readonly page: ConsoleFile;
  /** All files by their paths in the directory: a request names one of these and no other file. */
  readonly named: ReadonlyMap<string, ConsoleFile>;
}

/**
 * Headers of every answer under `/console`. Nothing is loaded from elsewhere and nothing inline runs; no page may frame
 * it, and no link tells where it came from.
 */
export const CONSOLE_HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy": [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join("; "),
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
};

/** Reads the console's files; null where the directory has no page in it, as before it is built. */
export function readConsoleFiles(directory: string): ConsoleFiles | null {
  const named = new Map<string, ConsoleFile>();
  for (const entry of list(directory)) {
    const path = join(entry.parentPath, entry.name);
    const name = relative(directory, path).split(sep).join("/");
    const type = TYPES[extname(name)];
    if (!entry.isFile() || type === undefined) continue;
    const body = readFileSync(path);
    named.set(name, {
      type,
      body,
      gzipped: gzipSync(body, { level: 9 }),
      isHashed: name.startsWith("assets/"),
    });
  }
  const page = named.get("index.html");
  return page === undefined ? null : { page, named };
}

function list(directory: string) {
  try {
    return readdirSync(directory, { recursive: true, withFileTypes: true });
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
}
