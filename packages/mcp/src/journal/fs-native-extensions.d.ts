declare module "fs-native-extensions" {
  /** Takes an exclusive lock on an open file, or answers false where another open file holds it. */
  export function tryLock(fileDescriptor: number): boolean;
}
