declare module "fs-native-extensions" {
  /** Takes an exclusive lock on an open file, or answers false where another open file holds it. */
  export function tryLock(fileDescriptor: number): boolean;
  /** Takes an exclusive lock on an open file as soon as no other open file holds it. */
  export function waitForLock(fileDescriptor: number): Promise<void>;
}
