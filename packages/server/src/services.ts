import type { AgentCaller, KeyCaller } from "./accounts/caller.ts";
import type { LastUsed } from "./accounts/last-used.ts";
import type { RandomBytes } from "./accounts/secrets.ts";
import type { AgentCheck } from "./agents/authenticate-agent.ts";
import type { StripeConnection } from "./billing/stripe.ts";
import type { PendingEvent } from "./metering/record-events.ts";
import type { Recorded } from "./metering/recorder.ts";
import type { Database } from "./store/database.ts";

/** What the routes work with. The clock and all randomness come in here, so that rules have none of their own. */
export interface Services {
  readonly db: Database;
  readonly now: () => Date;
  /** A new UUID of version 7: ids grow with time. */
  readonly newId: () => string;
  readonly randomBytes: RandomBytes;
  readonly authenticateKey: (secret: string) => Promise<KeyCaller>;
  readonly authenticateAgent: (token: string, check?: AgentCheck) => Promise<AgentCaller>;
  readonly lastUsed: LastUsed;
  readonly record: (event: PendingEvent) => Promise<Recorded>;
  /** null where no Stripe is connected. */
  readonly stripe: StripeConnection | null;
}
