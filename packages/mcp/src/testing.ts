import { AssertionError } from "node:assert";
import type { AgentPrice, RefusalCode, RefusalDetails, TokenRequest } from "@licentric/paywall/adapter";
import { buildCore, buildCorePaywall } from "@licentric/paywall/adapter";
import { createTestLedger, type RecordedUsage, type TestAgentOptions } from "@licentric/paywall/testing";
import { checkMcpOptions, type PaywallOptions } from "./options.ts";
import { buildPaywall, type Paywall } from "./paywall.ts";

export type { RecordedUsage, TestAgentOptions } from "@licentric/paywall/testing";

/** Usage that is expected to have been billed; what is left out may be anything. */
export interface ExpectedUsage {
  readonly agentId?: string;
  readonly meterName?: string;
  readonly quantity?: number;
}

/** Options of a test paywall: all but those that have to do with requests. */
export type TestPaywallOptions = Pick<
  PaywallOptions,
  "defaults" | "hideUncallable" | "links" | "receipts" | "refusals" | "showPrices" | "token" | "verification"
> & {
  /** Prices by meter, in US dollars; with `showPrices`, agents are told them in `tools/list`. None by default. */
  readonly prices?: Readonly<Record<string, NonNullable<AgentPrice["price"]>>>;
};

/** A paywall for unit tests: it never uses the network, and tells what it billed. */
export interface TestPaywall extends Paywall {
  /** Usage that was billed so far, oldest first. */
  readonly billed: readonly RecordedUsage[];
  /** The agent that calls come from which name no token of their own. */
  readonly agentId: string;
  /** Makes another agent and returns its token. */
  authorize(agentId: string, options?: TestAgentOptions): string;
  /** Calls from here on come from this agent, where they name no token: null for none at all. */
  actAs(token: string | null): void;
  /** From here on every request to billing is refused like this; undefined ends it. */
  refuseWith(code: RefusalCode | undefined, details?: RefusalDetails): void;
  /**
   * Asserts that exactly this was billed, in this order.
   *
   * @throws AssertionError which shows both
   */
  expectBilled(...expected: readonly ExpectedUsage[]): void;
}

/**
 * Makes a paywall for unit tests. Calls come from an agent of its own, so that a server can be tested in memory as
 * it is.
 *
 * @example
 * ```ts
 * import { createTestPaywall } from "@licentric/mcp/testing";
 *
 * const paywall = createTestPaywall();
 * const handler = paywall.tool({ meterName: "api_calls" }, async ({ city }: { city: string }, _context: object) => ({
 *   content: [{ type: "text", text: `Sun in ${city}` }],
 * }));
 * await handler({ city: "Rome" }, { signal: new AbortController().signal });
 * paywall.expectBilled({ meterName: "api_calls", quantity: 1 });
 * ```
 */
export function createTestPaywall({ prices = {}, ...options }: TestPaywallOptions = {}): TestPaywall {
  checkMcpOptions(options);
  const ledger = createTestLedger(Object.entries(prices).map(toAgentPrice));
  const agentId = "agt_test";
  let acting: string | null = ledger.authorize(agentId);
  const { refusals, hideUncallable, showPrices, ...own } = options;
  const core = {
    ...own,
    token: async (request: TokenRequest) => (await options.token?.(request)) ?? acting ?? undefined,
  };
  const paywall = buildPaywall(options, buildCorePaywall(core, buildCore(core, ledger.gateway)));
  return {
    ...paywall,
    agentId,
    billed: ledger.usage,
    authorize: ledger.authorize,
    refuseWith: ledger.refuseWith,
    actAs(token) {
      acting = token;
    },
    expectBilled(...expected) {
      const actual = ledger.usage.map(({ agentId, meterName, quantity }) => ({
        agentId,
        meterName,
        quantity,
      }));
      const matches =
        actual.length === expected.length &&
        expected.every((usage, index) => {
          const found = actual[index];
          return (
            found !== undefined &&
            (usage.agentId ?? found.agentId) === found.agentId &&
            (usage.meterName ?? found.meterName) === found.meterName &&
            (usage.quantity ?? found.quantity) === found.quantity
          );
        });
      if (matches) return;
      throw new AssertionError({
        message: `Billed was something else.\nexpected: ${JSON.stringify(expected)}\nactual:   ${JSON.stringify(actual)}`,
        actual,
        expected,
        operator: "expectBilled",
      });
    },
  };
}

function toAgentPrice([meterName, price]: readonly [string, NonNullable<AgentPrice["price"]>]): AgentPrice {
  return { id: `met_${meterName}`, meterName, displayName: meterName, unit: "unit", price, currency: "usd" };
}
