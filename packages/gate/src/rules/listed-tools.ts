import type { ClientRequest } from "../exchange.ts";
import { isRecord } from "./is-record.ts";

/** The tools that the upstream was seen to list, so that a call is known to fit before it is sent. */
export interface ListedTools {
  /** Learns from a result of `tools/list` that a client asked for. */
  learn(request: ClientRequest, result: unknown): void;
  /** Returns a list with the tool that a request calls in it, asking the upstream where that was never listed. */
  listFor(request: ClientRequest): Promise<unknown>;
}

/** Tools that are remembered. */
const LIMIT = 10_000;

/** Pages of a list that are asked for. */
const MAX_PAGES = 10;

/** Milliseconds until the upstream is asked again for a tool that it has not listed. */
const PAUSE = 30_000;

/** Since protocol 2026-07-28 each request says its version and its client, and is refused without. */
const ENVELOPE = "io.modelcontextprotocol/";

/** Makes an empty memory of one upstream's tools. */
export function createListedTools(now: () => number = () => performance.now()): ListedTools {
  let tools = new Map<string, unknown>();
  let asking: Promise<void> | undefined;
  let askAfter = 0;

  function add(result: unknown): void {
    const listed: readonly unknown[] =
      isRecord(result) && Array.isArray(result["tools"]) ? result["tools"] : [];
    for (const tool of listed) {
      const name = isRecord(tool) ? tool["name"] : undefined;
      if (!isRecord(tool) || typeof name !== "string") continue;
      const { inputSchema, execution } = tool;
      if (tools.has(name) || tools.size < LIMIT) tools.set(name, { name, inputSchema, execution });
    }
  }

  async function ask({ session, params, signal }: ClientRequest): Promise<void> {
    const _meta = envelopeOf(params);
    let cursor: unknown;
    for (let page = 0; page < MAX_PAGES; page++) {
      const asked = { ...(cursor !== undefined && { cursor }), ...(_meta !== undefined && { _meta }) };
      const { result } = await session.ask("tools/list", asked, { signal });
      add(result);
      cursor = isRecord(result) ? result["nextCursor"] : undefined;
      if (cursor === undefined) return;
    }
  }

  return {
    learn({ params }, result) {
      // The first page of a new list.
      if (!isRecord(params) || params["cursor"] === undefined) tools = new Map();
      add(result);
    },
    async listFor(request) {
      const name = isRecord(request.params) ? request.params["name"] : undefined;
      const find = () => (typeof name === "string" && tools.has(name) ? [tools.get(name)] : []);
      if (find().length === 0 && (asking !== undefined || now() >= askAfter)) {
        askAfter = now() + PAUSE;
        asking ??= ask(request).finally(() => {
          asking = undefined;
        });
        await asking;
      }
      return { tools: find() };
    },
  };
}

function envelopeOf(params: unknown): Readonly<Record<string, unknown>> | undefined {
  const meta = isRecord(params) ? params["_meta"] : undefined;
  if (!isRecord(meta)) return undefined;
  const own = Object.entries(meta).filter(([key]) => key.startsWith(ENVELOPE));
  return own.length === 0 ? undefined : Object.fromEntries(own);
}
