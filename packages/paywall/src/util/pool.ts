import { createExpiringMap } from "./expiring-map.ts";

/** Values that can each be taken once, several under one name. */
export interface Pool<Value> {
  put(name: string, value: Value): void;
  /** Takes the oldest value of a name. */
  take(name: string): Value | undefined;
}

/** Makes a pool that holds values of at most `limit` names, each name for `ttl` milliseconds after its last change. */
export function createPool<Value>(options: {
  readonly limit: number;
  readonly ttl: number;
  readonly now: () => number;
}): Pool<Value> {
  const names = createExpiringMap<readonly Value[]>(options);
  const perName = 100;
  return {
    put(name, value) {
      names.set(name, [...(names.get(name) ?? []), value].slice(-perName));
    },
    take(name) {
      const [first, ...rest] = names.get(name) ?? [];
      if (rest.length > 0) names.set(name, rest);
      else names.delete(name);
      return first;
    },
  };
}
