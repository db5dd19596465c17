import type { Platform } from "./platform.ts";

/** Bun, Deno, Workers, and whatever else has a `fetch`. */
export const platform: Platform = {
  name: navigatorOf(globalThis)?.userAgent ?? "unknown",
  openTransport: undefined,
  allowManyListeners: () => undefined,
};

/** Every runtime's own way to say what it is, its types left out here. */
function navigatorOf(scope: { readonly navigator?: { readonly userAgent?: string } } & object) {
  return scope.navigator;
}
