/** A map of bounded size. */
export interface BoundedMap<Value> {
  get(key: string): Value | undefined;
  /** Sets a value; where that is one too many, another one leaves. */
  set(key: string, value: Value): void;
  delete(key: string): void;
  readonly size: number;
}

/** Entries that are looked at for one of no more use, and then for one that may leave, before the last of them has to. */
const LOOKED_AT = 16;

/**
 * Makes a map of at most `limit` entries. The one that makes way for another is chosen by chance among those that may
 * leave.
 *
 * Our own: lru-cache gives up the least recently used one, so that of slightly more keys than it has places, used in
 * turn, it never has one.
 */
export function createBoundedMap<Value>(options: {
  readonly limit: number;
  /** A number from 0 and below 1. */
  readonly random: () => number;
  /** Returns whether a value is of no more use, so that it leaves before all others. */
  readonly isSpent: (value: Value) => boolean;
  /** Returns whether a value may leave while others may not; called for some of them when one has to. */
  readonly mayLeave: (value: Value) => boolean;
}): BoundedMap<Value> {
  const { limit, random, isSpent, mayLeave } = options;
  // Beside the map, since no map gives out one of its entries by chance.
  const places = new Map<string, number>();
  const keys: string[] = [];
  const values: Value[] = [];

  function removeAt(place: number): void {
    const [key, lastKey, lastValue] = [keys[place], keys.pop(), values.pop()];
    if (key === undefined || lastKey === undefined) return;
    places.delete(key);
    if (place === keys.length) return;
    places.set(lastKey, place);
    keys[place] = lastKey;
    values[place] = lastValue as Value;
  }

  /** Looks at some places by chance, and returns the first that is found good, or else the last of them. */
  function look(isGood: (value: Value) => boolean): { readonly place: number; readonly isFound: boolean } {
    let place = 0;
    for (let looked = 0; looked < LOOKED_AT; looked++) {
      place = Math.floor(random() * keys.length);
      if (isGood(values[place] as Value)) return { place, isFound: true };
    }
    return { place, isFound: false };
  }

  function makeRoom(): void {
    const spent = look(isSpent);
    removeAt(spent.isFound ? spent.place : look(mayLeave).place);
  }

  return {
    get(key) {
      const place = places.get(key);
      return place === undefined ? undefined : values[place];
    },
    set(key, value) {
      const place = places.get(key);
      if (place !== undefined) {
        values[place] = value;
        return;
      }
      if (keys.length >= limit) makeRoom();
      places.set(key, keys.length);
      keys.push(key);
      values.push(value);
    },
    delete(key) {
      const place = places.get(key);
      if (place !== undefined) removeAt(place);
    },
    get size() {
      return keys.length;
    },
  };
}
