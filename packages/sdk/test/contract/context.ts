import type { Agent, AgentToken, Licentric, Meter } from "../../src/index.ts";

/** What a test of the contract works with. */
export interface ContractContext {
  readonly baseUrl: string;
  readonly client: Licentric;
  newAgent(): Promise<Agent>;
  newMeter(): Promise<Meter>;
  newToken(scopes?: string[], expiresIn?: number): Promise<{ agent: Agent; token: AgentToken }>;
}

let names = 0;

/** A name that no other test uses. */
export const unique = (name: string) => `${name}_${++names}`;
