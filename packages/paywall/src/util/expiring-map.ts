interface Entry<Value> {
  readonly value: Value;
  readonly expiresAt: number;
}

/** A map that forgets: entries after a time, and the oldest where there are too many. */
export interface ExpiringMap<Value> {
  get(key: string): Value | undefined;
  set(key: string, value: Value): void;
  delete(key: string): void;
  readonly size: number;
}

/**
 * Makes a map that holds at most `limit` entries, each for `ttl` milliseconds.
 *
 * @param onEvict - called with each value that is forgotten or replaced
 */
export function createExpiringMap<Value>(options: {
  readonly limit: number;
  readonly ttl: number;
  readonly now: () => number;
  readonly onEvict?: (value: Value) => void;
}): ExpiringMap<Value> {
  const entries = new Map<string, Entry<Value>>();
  const remove = (key: string) => {
    const entry = entries.get(key);
    if (entry === undefined) return;
    entries.delete(key);
    options.onEvict?.(entry.value);
  };
  return {
    get(key) {
      const entry = entries.get(key);
      if (entry === undefined) return undefined;
      if (entry.expiresAt > options.now()) return entry.value;
      remove(key);
      return undefined;
    },
    set(key, value) {
      remove(key);
      entries.set(key, { value, expiresAt: options.now() + options.ttl });
      // All entries live equally long, so the first are also the first to expire.
      for (const [oldest, entry] of entries) {
        if (entries.size <= options.limit && entry.expiresAt > options.now()) break;
        remove(oldest);
      }
    },
    delete: remove,
    get size() {
      return entries.size;
    },
  };
}
