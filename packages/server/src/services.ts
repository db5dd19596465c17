import type { KeyAuthenticator } from "./accounts/authenticate-key.ts";
import type { LastUsed } from "./accounts/last-used.ts";
import type { RandomBytes } from "./accounts/secrets.ts";
import type { AgentAuthenticator } from "./agents/authenticate-agent.ts";
import type { LinkSigner } from "./billing/invoice-link.ts";
import type { StripeConnection } from "./billing/stripe.ts";
import type { BudgetedEvent, BudgetedOutcome } from "./metering/budgeted-recorder.ts";
import type { PendingEvent } from "./metering/record-events.ts";
import type { Recorded } from "./metering/recorder.ts";
import type { Database } from "./store/database.ts";
import type { WebhookSigner } from "./webhooks/signing.ts";

/** Services of the routes. The clock and all randomness come in here, so that rules have none themselves. */
export interface Services {
  readonly db: Database;
  readonly now: () => Date;
  /** A new UUID of version 7: ids grow with time. */
  readonly newId: () => string;
  /** A new UUID of version 4: one that cannot be guessed. */
  readonly newReservationId: () => string;
  readonly randomBytes: RandomBytes;
  readonly keys: KeyAuthenticator;
  readonly agents: AgentAuthenticator;
  readonly lastUsed: LastUsed;
  readonly record: (event: PendingEvent) => Promise<Recorded>;
  /** For usage that budgets may apply to; `record` is for all other. */
  readonly recordBudgeted: (event: BudgetedEvent) => Promise<BudgetedOutcome>;
  /** Milliseconds in which a request is answered, what it waits for Stripe not counted. */
  readonly answerTimeout: number;
  /** null where no Stripe is connected. */
  readonly stripe: StripeConnection | null;
  /** null: the server has no secret key. */
  readonly links: LinkSigner | null;
  /** Signer of webhooks (null: the server has no secret key), and whether private addresses are allowed. */
  readonly webhooks: { readonly signer: WebhookSigner | null; readonly allowPrivate: boolean };
}
