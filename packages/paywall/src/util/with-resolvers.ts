/** A promise with the function that resolves it. */
export interface Resolvable<Value> {
  readonly promise: Promise<Value>;
  readonly resolve: (value: Value) => void;
}

/** Makes a promise that is resolved from outside, as `Promise.withResolvers` of later versions of Node. */
export function withResolvers<Value>(): Resolvable<Value> {
  let resolve: (value: Value) => void = () => undefined;
  const promise = new Promise<Value>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
