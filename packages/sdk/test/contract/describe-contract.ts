import { afterAll, beforeAll, describe } from "vitest";
import { Licentric } from "../../src/index.ts";
import { describeAccount } from "./account.ts";
import { describeAgents } from "./agents.ts";
import { describeBilling } from "./billing.ts";
import { type ContractContext, unique } from "./context.ts";
import { describeTokens } from "./tokens.ts";
import { describeUsage } from "./usage.ts";

/** Something that speaks the contract: the fake, or the server. */
export interface ApiUnderTest {
  readonly baseUrl: string;
  readonly apiKey: string;
  close(): Promise<void>;
}

/**
 * What the client and an API must do together. It runs against the fake of the client's other tests and against
 * the real server, so that the two cannot drift apart.
 */
export function describeContract(name: string, start: () => Promise<ApiUnderTest>): void {
  describe(`the contract, kept by ${name}`, () => {
    let api: ApiUnderTest;
    let client: Licentric;

    beforeAll(async () => {
      api = await start();
      client = new Licentric({ apiKey: api.apiKey, baseUrl: api.baseUrl });
    }, 60_000);
    afterAll(async () => {
      await client?.close();
      await api?.close();
    });

    const context: ContractContext = {
      get baseUrl() {
        return api.baseUrl;
      },
      get client() {
        return client;
      },
      newAgent: () => client.agents.create({ name: unique("agent") }),
      newMeter: () => client.meters.create({ name: unique("meter") }),
      async newToken(scopes = ["mcp:invoke"], expiresIn) {
        const agent = await context.newAgent();
        const { token } = await client.mcp.authorize(agent.id, { scopes, expiresIn });
        return { agent, token };
      },
    };
    describeAgents(context);
    describeTokens(context);
    describeUsage(context);
    describeAccount(context);
    describeBilling(context);
  });
}
