export {
  createTestLedger,
  type RecordedUsage,
  type TestAgentOptions,
  type TestLedger,
} from "./testing/test-ledger.ts";
