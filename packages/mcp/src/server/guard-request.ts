import type { Policy, Receipt, Refusal, Settlement } from "@licentric/paywall/adapter";
import { isRecord, property, receiptOf, stringProperty, withTimeLimit } from "@licentric/paywall/adapter";
import { rememberTransport } from "../context/local-calls.ts";
import { signalIn } from "../context/request-context.ts";
import {
  type Asked,
  createRequestScope,
  type RequestScope,
  type ServedKind,
  type ServedTarget,
} from "../handler/request-scope.ts";
import { invalidParams } from "../protocol/invalid-params.ts";
import { outcomeOf, withReceipt } from "../protocol/outcome.ts";
import { RefusedRequestError, toToolResult } from "../protocol/refusal-result.ts";
import { deliver } from "./deliver.ts";
import { annotateTools } from "./list-tools.ts";
import { fitsListed } from "./listed-schemas.ts";
import type { BuiltIn, Registered } from "./registered.ts";
import type { RequestHandler } from "./request-handler.ts";
import { requireToken } from "./require-token.ts";
import type { ServerPlan } from "./server-plan.ts";
import { guardTasks, isTaskMethod } from "./tasks.ts";
import { warnOfUnknownNames } from "./unknown-names.ts";

/** The requests that are charged for, with the parameter that names what is asked for. */
const CHARGED = {
  "tools/call": { kind: "tool", parameter: "name" },
  "prompts/get": { kind: "prompt", parameter: "name" },
  "resources/read": { kind: "resource", parameter: "uri" },
} as const;

/** The lists besides that of tools, which are what they are of. */
const LISTS = {
  "prompts/list": "prompt",
  "resources/list": "resource",
  "resources/templates/list": "resource",
} as const;

/** The server of a request, and its handler of `tools/list`. */
export interface Serving {
  readonly builtIn: BuiltIn | undefined;
  readonly plan: ServerPlan;
  /** The handler of `tools/list`, without what the paywall adds. */
  listTools: RequestHandler | undefined;
  /** True for the server of another process: its response alone says whether it ran what it was asked for. */
  readonly isElsewhere: boolean;
  /** Returns the transport by which requests come. */
  transport(): unknown;
  /** Returns the JSON Schema validator of the server. */
  validator(): unknown;
  /** Is told what a request was billed, before it is answered; undefined where nobody asks. */
  readonly onBilled?: ((receipt: Receipt) => void) | undefined;
}

/**
 * Guards a request; undefined where nothing is charged for it.
 *
 * @param isOwn - whether the handler is the owner's for sure, where it is none that an `McpServer` is seen to install
 */
export function guardRequest(
  method: unknown,
  run: RequestHandler,
  serving: Serving,
  isOwn: boolean,
): RequestHandler | undefined {
  const guarded = guardOf(method, run, serving, isOwn);
  if (guarded === undefined) return undefined;
  return (request, context) => {
    rememberTransport(signalIn(context), serving.transport());
    return guarded(request, context);
  };
}

function guardOf(
  method: unknown,
  run: RequestHandler,
  serving: Serving,
  isOwn: boolean,
): RequestHandler | undefined {
  const { plan, builtIn } = serving;
  if (plan.tokenMethods.has(method)) {
    const free = guardPriced(method, run, serving, isOwn) ?? run;
    return requireToken(method, free, plan, builtIn);
  }
  return guardPriced(method, run, serving, isOwn);
}

function guardPriced(
  method: unknown,
  run: RequestHandler,
  serving: Serving,
  isOwn: boolean,
): RequestHandler | undefined {
  const { plan, builtIn } = serving;
  if (method === "tools/list") return annotateTools(run, plan, builtIn);
  if (isList(method)) return guardList(run, LISTS[method], serving);
  if (isTaskMethod(method)) return guardTasks(method, run, plan);
  if (!isCharged(method)) return undefined;
  const { kind } = CHARGED[method];
  if (!builtIn?.installing(kind)) return guardOwn(method, run, serving, isOwn);
  return (request, context) => {
    warnOfUnknownNames(plan, builtIn, kind);
    const asked = targetOf(method, request);
    const name = (asked && builtIn.find(kind, asked)?.name) ?? asked;
    return settleAround({ server: plan, kind, name }, serving, run)(request, context);
  };
}

/** Guards a list of what is charged for: it costs nothing. */
function guardList(run: RequestHandler, kind: ServedKind, { plan, builtIn }: Serving): RequestHandler {
  return (request, context) => {
    warnOfUnknownNames(plan, builtIn, kind);
    return run(request, context);
  };
}

function isList(method: unknown): method is keyof typeof LISTS {
  return typeof method === "string" && Object.hasOwn(LISTS, method);
}

/** Returns whether a request is guarded by what it asks for. */
export function isChargedOrTask(method: unknown): boolean {
  return isCharged(method) || isTaskMethod(method);
}

function isCharged(method: unknown): method is keyof typeof CHARGED {
  return typeof method === "string" && Object.hasOwn(CHARGED, method);
}

/**
 * Settles what ran inside of a request by the response that the client gets. Where something wraps the handler and was
 * guarded, too, the outermost does.
 */
function settleAround(
  asked: Omit<Asked, "sentArgs">,
  { plan, onBilled }: Serving,
  run: RequestHandler,
): RequestHandler {
  return (request, context) => {
    if (plan.handlerCharges.isWithin(context, asked)) return run(request, context);
    const sentArgs = property(property(request, "params"), "arguments");
    const scope = createRequestScope({ ...asked, sentArgs });
    return plan.handlerCharges.within(context, scope, () => settled(request, context, scope));
  };

  async function settled(request: unknown, context: unknown, scope: RequestScope): Promise<unknown> {
    let final: unknown;
    try {
      final = await run(request, context);
    } catch (error) {
      tell(await scope.end(() => ({ status: "failed" })));
      // What a refusal became on its way through the SDK's handler says less than the refusal itself.
      throw scope.refusal === undefined ? error : new RefusedRequestError(scope.refusal);
    }
    const { refusal } = scope;
    if (refusal !== undefined) {
      await scope.end(() => ({ status: "failed" }));
      return refusedResponse(request, refusal, plan);
    }
    const settlement = await scope.end((completion) =>
      outcomeOf(final, completion.status === "returned" ? completion.result : undefined),
    );
    tell(settlement);
    if (settlement?.status === "refused") return refusedResponse(request, settlement.refusal, plan);
    if (settlement?.status === "cancelled") throw settlement.reason;
    return plan.receipts ? withReceipt(final, receiptOf(settlement)) : final;
  }

  function tell(settlement: Settlement | undefined): void {
    const receipt = receiptOf(settlement);
    if (receipt !== undefined) onBilled?.(receipt);
  }
}

/**
 * Guards a request handler that may be the owner's own: it gets no call that was not authorized. It may as well be
 * an `McpServer`'s, or go on to a guarded one: the target there is then the same as the one here, and charged once.
 */
function guardOwn(
  method: keyof typeof CHARGED,
  run: RequestHandler,
  serving: Serving,
  isOwn: boolean,
): RequestHandler {
  const { builtIn, plan } = serving;
  const { kind } = CHARGED[method];
  return async (request, context) => {
    refuseMalformed(method, request);
    const asked = targetOf(method, request) ?? "";
    const registered = builtIn?.find(kind, asked);
    const { name, names } = registered ?? { name: asked, names: [asked] };
    // The owner's handler reads whatever the client spelled, and an `McpServer`'s what is registered to the letter.
    const isRegistered = !isOwn && asked === name;
    const policy = registered?.ownPolicy ?? plan.policyFor(kind, names, isRegistered ? undefined : asked);
    // What is free may call what is not.
    if (policy === false) {
      const free = await settleAround({ server: plan, kind, name }, serving, run)(request, context);
      return deliver(plan, kind, policy, free, context);
    }
    const requested = { kind, asked, registered, policy, isOwn };
    const charged: RequestHandler = async () => {
      const { args, willRun } = await checkArgs(requested, request, context, serving);
      // What is refused by whoever checks it first has not run: it is billed only if it does all the same.
      const asRun: Policy = willRun || policy.charge !== "call" ? policy : { ...policy, charge: "success" };
      const target: ServedTarget = { kind, name, id: `${kind} ${name}`, policy: asRun, serves: policy };
      const chargeResult = await plan.handlerCharges.charge(target, args, context, () =>
        run(request, context),
      );
      return "result" in chargeResult
        ? chargeResult.result
        : refusedResponse(request, chargeResult.refusal, plan);
    };
    const final = await settleAround({ server: plan, kind, name }, serving, charged)(request, context);
    return deliver(plan, kind, policy, final, context);
  };
}

/** The thing that is asked for, and its price. */
interface Requested {
  readonly kind: ServedKind;
  readonly asked: string;
  readonly registered: Registered | undefined;
  readonly policy: Policy;
  readonly isOwn: boolean;
}

/** The arguments of a request, and whether its handler will run with them as far as that is known. */
async function checkArgs(
  { kind, asked, registered, policy, isOwn }: Requested,
  request: unknown,
  context: unknown,
  { listTools, plan, isElsewhere, validator }: Serving,
): Promise<{ readonly args: unknown; readonly willRun: boolean }> {
  const params = property(request, "params");
  const sent = kind === "resource" ? asked : (property(params, "arguments") ?? {});
  if (registered !== undefined) {
    const accepted = await registered.accept(params);
    return { args: accepted === undefined ? sent : accepted.args, willRun: accepted !== undefined };
  }
  const isBilledFirst = policy.meterName !== undefined && policy.charge === "call";
  if (!isBilledFirst) return { args: sent, willRun: true };
  if (kind !== "tool" || listTools === undefined) return { args: sent, willRun: isOwn && !isElsewhere };
  const isTask = property(params, "task") !== undefined;
  const fits = fitsListed(listTools, validator(), { name: asked, args: sent, isTask }, context);
  // A list that does not come says as little as one that is not for this caller.
  const willRun = await withTimeLimit(fits, plan.timeout).catch(() => false);
  return { args: sent, willRun };
}

/** The string that names what a request asks for. */
function targetOf(method: keyof typeof CHARGED, request: unknown): string | undefined {
  return stringProperty(property(request, "params"), CHARGED[method].parameter);
}

/**
 * The SDKs refuse a malformed request before any handler that was set by their own methods. One that was put there by
 * hand sees it, and may find a tool where the paywall finds none: `["forecast"]` is "forecast" to a look-up.
 *
 * @throws Error with the JSON-RPC code for invalid parameters
 */
function refuseMalformed(method: keyof typeof CHARGED, request: unknown): void {
  const { parameter } = CHARGED[method];
  if (targetOf(method, request) === undefined)
    throw invalidParams(`Invalid ${method} request: it needs a ${parameter} that is a string`);
  const args = property(property(request, "params"), "arguments");
  if (args !== undefined && (!isRecord(args) || Array.isArray(args)))
    throw invalidParams(`Invalid ${method} request: its arguments must be an object`);
}

/** A refusal in the form that this request's client can take. */
function refusedResponse(request: unknown, refusal: Refusal, plan: ServerPlan): unknown {
  const params = property(request, "params");
  const isTask = isRecord(params) && params["task"] !== undefined;
  if (stringProperty(request, "method") !== "tools/call" || plan.refusals === "error" || isTask)
    throw new RefusedRequestError(refusal);
  return toToolResult(refusal);
}
