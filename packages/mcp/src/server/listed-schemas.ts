import { createExpiringMap, isRecord, property } from "@licentric/paywall/adapter";
import type { RequestHandler } from "./request-handler.ts";

/** Compiled schemas by their source: servers may be made for each request, and compiling takes milliseconds. */
const compiled = createExpiringMap<(value: unknown) => unknown>({
  limit: 1_000,
  ttl: 3_600_000,
  now: () => performance.now(),
});

/** Pages of a list that are looked through. */
const MAX_PAGES = 10;

/** A call of a tool, as its client sent it. */
interface ListedCall {
  readonly name: string;
  readonly args: unknown;
  /** True if it is to make a task. */
  readonly isTask: boolean;
}

/**
 * Returns whether a call of a tool is known to fit what the server says of it in `tools/list`. A request handler of the owner's
 * checks its arguments by itself, and where it refuses them nothing has run.
 *
 * @param listTools - the handler of `tools/list`
 * @param validator - the server's own JSON Schema validator
 */
export async function fitsListed(
  listTools: RequestHandler,
  validator: unknown,
  { name, args, isTask }: ListedCall,
  context: unknown,
): Promise<boolean> {
  try {
    const tool = await listedTool(listTools, name, context);
    // A tool whose calls have to make tasks does not run in others.
    if (!isTask && property(property(tool, "execution"), "taskSupport") === "required") return false;
    const schema = property(tool, "inputSchema");
    return isRecord(schema) && property(compile(schema, validator)(args), "valid") === true;
  } catch {
    // The owner's list is not for this caller, or its schema for no validator: nothing is known then.
    return false;
  }
}

function compile(schema: object, validator: unknown): (value: unknown) => unknown {
  const text = JSON.stringify(schema);
  const known = compiled.get(text);
  if (known !== undefined) return known;
  const getValidator = property(validator, "getValidator");
  if (typeof getValidator !== "function") throw new TypeError("this server has no JSON Schema validator");
  const made: unknown = Reflect.apply(getValidator, validator, [schema]);
  if (typeof made !== "function") throw new TypeError("its JSON Schema validator makes no functions");
  const validate = (value: unknown): unknown => made(value);
  compiled.set(text, validate);
  return validate;
}

async function listedTool(listTools: RequestHandler, name: string, context: unknown): Promise<unknown> {
  let cursor: unknown;
  for (let page = 0; page < MAX_PAGES; page++) {
    const params = cursor === undefined ? {} : { cursor };
    const listed = await listTools({ jsonrpc: "2.0", id: 0, method: "tools/list", params }, context);
    const tools = property(listed, "tools");
    const tool = Array.isArray(tools)
      ? tools.find((one: unknown) => property(one, "name") === name)
      : undefined;
    if (tool !== undefined) return tool;
    cursor = property(listed, "nextCursor");
    if (cursor === undefined) break;
  }
  return undefined;
}
