// Of `@cloudflare/workers-types`, whose globals would take the place of Node's in the other folders.
interface ExecutionContext {
  waitUntil(promise: Promise<unknown>): void;
  passThroughOnException(): void;
  readonly props: unknown;
}

declare module "cloudflare:workers" {
  export abstract class DurableObject<Env = unknown> {
    protected readonly env: Env;
  }
}
