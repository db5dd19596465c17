// What the examples in doc comments take for granted.
declare const client: import("@licentric/sdk").Licentric;
declare const token: import("@licentric/sdk").AgentToken;
declare const vault: { put(name: string, secret: string): Promise<void> };
declare function show(...values: unknown[]): void;
declare function send(token: string): void;
declare function generate(): Promise<number>;
declare function report(...values: unknown[]): void;
