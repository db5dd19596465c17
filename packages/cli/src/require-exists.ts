/**
 * Reads something only to find out that it exists. A key that may not read it finds nothing out, and the command goes
 * on as if it did: it needs no more scopes for this.
 *
 * @throws NotFoundError where it does not exist
 */
export async function requireExists(read: PromiseLike<unknown>): Promise<void> {
  await isAllowed(() => read);
}

/** Reads something that a command can do without; false where the key may not read it. */
export async function isAllowed(read: () => PromiseLike<unknown>): Promise<boolean> {
  try {
    await read();
    return true;
  } catch (error) {
    const { PermissionDeniedError } = await import("@licentric/sdk");
    if (!(error instanceof PermissionDeniedError && error.answeredByApi)) throw error;
    return false;
  }
}
