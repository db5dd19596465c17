import type { Verification, VerifyRequest } from "@licentric/contract";
import type { z } from "zod";
import { type AgentCaller, requireAgentScopes } from "../accounts/caller.ts";
import type { Services } from "../services.ts";

/**
 * Answers who holds a token and, with a meter named, records usage for it. The answer goes out after the event is
 * durable.
 */
export async function verify(
  caller: AgentCaller,
  { meterName, quantity = 1, requiredScopes = [] }: z.output<typeof VerifyRequest>,
  idempotencyKey: string | null,
  { record, newId }: Pick<Services, "record" | "newId">,
): Promise<Verification> {
  requireAgentScopes(caller, requiredScopes);
  const verified = {
    accountId: caller.accountId,
    agentId: caller.agentId,
    scopes: [...caller.scopes],
    expiresAt: caller.expiresAt.toISOString(),
  };
  if (meterName === undefined) return verified;
  const { event, duplicate } = await record({
    id: newId(),
    environmentId: caller.environmentId,
    agentId: caller.agentId,
    meterName,
    quantity,
    idempotencyKey,
    occurredAt: null,
    metadata: null,
  });
  return {
    ...verified,
    event: { id: event.id, meterName: event.meterName, quantity: event.quantity, duplicate },
  };
}
