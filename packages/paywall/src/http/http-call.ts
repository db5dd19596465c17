import type { ChargedTarget } from "../call/charged-target.ts";
import type { Call } from "../credential/call.ts";
import { hashToken, readAgentKey } from "../credential/find-credential.ts";
import type { PaywallCore } from "../paywall-core.ts";
import { type Refusal, refuse } from "../refusal/refusal.ts";
import { RefusedError } from "../refusal/refused-error.ts";
import { digest, fingerprint } from "../util/digest.ts";
import { comparedType, hashOf } from "./multipart.ts";

/** An HTTP request that is to be charged for, whatever serves it. */
export interface HttpRequest {
  readonly method: string;
  /** The path with its query. */
  readonly url: string;
  /** A header by its name in lower case. */
  header(name: string): string | undefined;
  /** The framework's own request, for price functions. */
  readonly args: unknown;
  /** Aborts when the client goes before it is answered. */
  readonly signal: AbortSignal;
  /**
   * Returns the body, to tell a repetition from another request; undefined where the request has none. Asked for only
   * where the request has an `Idempotency-Key`.
   *
   * @throws UnreadableBody where it cannot be known
   */
  body(): Promise<unknown>;
}

/** Thrown where the body of a request with an `Idempotency-Key` cannot be compared with another one. */
export class UnreadableBody extends Error {
  /** A sentence for the owner of the server, where it is the owner's affair. */
  readonly advice: string | undefined;

  /**
   * @param advice - a sentence for the owner
   * @param message - a sentence for the agent
   */
  constructor(advice?: string, message: string = UNCOMPARED) {
    super(message);
    this.advice = advice;
  }
}

const UNCOMPARED =
  "This server cannot compare the bodies of requests of this content type that have an Idempotency-Key. Send none. Nothing was run or charged.";

/** Most bytes that the body of a request with an `Idempotency-Key` may have. */
export const KEYED_BODY_SIZE = 1_048_576;

/** Makes the call that a request is; a refusal where it cannot be one. */
export async function toHttpCall(
  { findToken, emitter, links }: PaywallCore,
  { kind, name, id }: ChargedTarget,
  request: HttpRequest,
): Promise<Call | Refusal> {
  try {
    const token = await findToken(
      {
        header: (header) => request.header(header.toLowerCase()),
        meta: undefined,
        authToken: undefined,
        authorization: request.header("authorization"),
        context: request.args,
        isLocal: () => false,
        isRecognized: true,
      },
      { kind, name },
    );
    const agentKey = readAgentKey(request.header("idempotency-key"));
    const { method, url, args, signal } = request;
    const sent =
      typeof agentKey === "string"
        ? fingerprint(
            id,
            method,
            url,
            comparedType(request.header("content-type")),
            toDigested(await request.body()),
          )
        : undefined;
    return {
      kind,
      name,
      args,
      token,
      tokenHash: hashToken(token ?? ""),
      signal,
      agentKey,
      madeOf: undefined,
      continues: false,
      binding: () => sent?.digest ?? digest(id, method, url),
      opaque: () => sent?.opaque,
      round: () => "",
    };
  } catch (error) {
    const refusal = refusalOf(error, emitter, { kind, name }, links);
    emitter.emit("denied", { kind, name, refusal, agentId: undefined });
    return refusal;
  }
}

/** A body as it is compared. */
function toDigested(body: unknown): unknown {
  return body instanceof Uint8Array ? hashOf(body) : body;
}

function refusalOf(
  error: unknown,
  emitter: PaywallCore["emitter"],
  subject: Pick<ChargedTarget, "kind" | "name">,
  links: PaywallCore["links"],
): Refusal {
  if (error instanceof RefusedError) return error.refusal;
  if (!(error instanceof UnreadableBody)) throw error;
  const { advice, message } = error;
  if (advice !== undefined) emitter.emit("failed", { reason: advice, error: undefined, ...subject });
  return refuse("idempotency_conflict", links, { message });
}
