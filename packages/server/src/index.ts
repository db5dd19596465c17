export { type Account, getEnvironmentId, listAccounts, type NewAccount } from "./accounts/accounts.ts";
export type { NewKey } from "./accounts/keys.ts";
export {
  type Provisioning,
  provisionAccount as createAccount,
  provisionKey as createKey,
} from "./accounts/provision.ts";
export type { AutoArchive } from "./archive/archive-by-age.ts";
export { archiveEvents } from "./archive/archive-events.ts";
export { type ArchivedMonth, ArchiveError, type ArchiveOptions } from "./archive/archive-month.ts";
export type { ExportedMonth } from "./archive/export-month.ts";
export { compareTimeZones, type MonthOf, type TimeZoneDifference } from "./billing/compare-time-zones.ts";
export type { StripeOptions } from "./billing/stripe.ts";
export { type Config, ConfigError, readConfig } from "./config.ts";
export { type ErasedCustomer, eraseCustomer } from "./customers/erase-customer.ts";
export type { RateLimits } from "./http/rate-limits.ts";
export type { AnsweredCall } from "./http/report-calls.ts";
export { checkTotals, type TotalsDifference } from "./metering/check-totals.ts";
export type { Retention } from "./retention.ts";
export {
  DEFAULT_PORT,
  type RunningServer,
  type ServerOptions,
  ServerStartError,
  startServer,
} from "./start-server.ts";
export { backupDatabase, restoreDatabase } from "./store/backup.ts";
export {
  type ConnectionCounts,
  type Database,
  DatabaseSetupError,
  DatabaseUnavailableError,
  type Queryable,
  type SqlValue,
  type TransactionOptions,
  type Unavailability,
} from "./store/database.ts";
export { type DatabaseState, inspectDatabase } from "./store/inspect-database.ts";
export { type DatabaseLocation, openDatabase } from "./store/open-database.ts";
export type { PostgresOptions } from "./store/postgres.ts";
export {
  listWebhooksOfEarlierKeys,
  rotateWebhookSecret,
  type WebhookOfEarlierKey,
} from "./webhooks/rotate-secret.ts";
