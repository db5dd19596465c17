/**
 * Tells a listener of an owner's. What it throws, at once or later, becomes a process warning: it must neither cost a
 * caller its result nor end the process.
 *
 * @param what - the listener, for the warning's sentence
 */
export function tell<Event>(listener: (event: Event) => unknown, event: Event, what: string): void {
  const warn = (error: unknown) =>
    process.emitWarning(`${what} threw: ${stringOf(error)}`, "LicentricWarning");
  try {
    // Asynchronous listeners are typed as if they returned nothing.
    Promise.resolve(listener(event)).catch(warn);
  } catch (error) {
    warn(error);
  }
}

/** Returns whatever was thrown as a string, which it may refuse to become. */
function stringOf(error: unknown): string {
  try {
    return String(error);
  } catch {
    return `a value of type ${typeof error}`;
  }
}
