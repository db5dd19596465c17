/** The JSON-RPC error of a request that cannot be understood. */
export function invalidParams(message: string): Error {
  return Object.assign(new Error(message), { code: -32_602 });
}
