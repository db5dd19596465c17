// What the examples in doc comments take for granted.
import type { AgentToken, Licentric } from "@licentric/sdk";

export declare const client: Licentric;
export declare const token: AgentToken;
export declare const vault: { put(name: string, secret: string): Promise<void> };
export declare function show(...values: unknown[]): void;
export declare function send(token: string): void;
export declare function generate(): Promise<number>;
export declare function report(...values: unknown[]): void;
