import { DEFAULT_METER_NAME, type ErrorCode } from "@licentric/contract";
import { hashSecret } from "../accounts/secrets.ts";
import { createBatcher } from "../batcher.ts";
import type { Services } from "../services.ts";
import { writeDurably } from "../store/write-durably.ts";
import { within } from "../within.ts";
import { ApiError } from "./api-error.ts";

/** State that a server reports about itself when it is ready. */
export interface Readiness {
  /** Milliseconds by which this server's clock is ahead of its database's. */
  readonly clockSkew: number;
}

/** Milliseconds after which a server that does not know is not ready. */
const LIMIT = 2_000;

const NOBODY = "00000000-0000-0000-0000-000000000000";
const NO_TOKEN = "AGT-nobody";

/**
 * Makes the check of whether a verify would be answered now. It goes the way of one, through the same queues and
 * statements, with a token and an agent that do not exist; and it writes a row and waits until that is durable.
 *
 * @returns a function that rejects when the server is not ready.
 */
export function createReadinessCheck(
  services: Pick<Services, "db" | "now" | "newId" | "agents" | "record">,
): () => Promise<Readiness> {
  const { db, now, newId, agents, record } = services;
  const event = {
    environmentId: NOBODY,
    agentId: NOBODY,
    meterName: DEFAULT_METER_NAME,
    quantity: 1,
    idempotencyKey: null,
    occurredAt: null,
    metadata: null,
    byAgent: true,
  };
  const look = async (): Promise<Readiness> => {
    const [at] = await Promise.all([
      writeDurably(db),
      refused("UNAUTHORIZED", agents.authenticate({ secret: NO_TOKEN, hash: hashSecret(NO_TOKEN) })),
      refused("NOT_FOUND", record({ ...event, id: newId() })),
    ]);
    return { clockSkew: now().getTime() - at.getTime() };
  };

  // One look at a time, for all who ask meanwhile.
  const ask = createBatcher<null, Readiness>(
    async (askers) => {
      const readiness = await look();
      return askers.map(() => readiness);
    },
    { maxItems: Number.POSITIVE_INFINITY, concurrency: 1 },
  );
  return () =>
    within(LIMIT, ask(null), () => {
      throw new Error(`no answer within ${LIMIT / 1_000} s`);
    });
}

async function refused(code: ErrorCode, asked: Promise<unknown>): Promise<void> {
  try {
    await asked;
  } catch (error) {
    if (error instanceof ApiError && error.code === code) return;
    throw error;
  }
  throw new Error(`nobody's usage was not refused with ${code}`);
}
