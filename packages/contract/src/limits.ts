// What the wire holds at most, in one place: schemas, server and documents take it from here.

/** Largest quantity that one usage event may carry. */
export const MAX_QUANTITY = 1_000_000_000;

/** The most that one call of an agent's may use of a meter whose owner has set no other limit. */
export const DEFAULT_MAX_QUANTITY_PER_CALL = 1_000_000;

/** Most usage events that one batch request may carry. */
export const MAX_BATCH_SIZE = 1_000;

/** Most bytes of a request's body. */
export const MAX_BODY_SIZE = 1_048_576;

/** Page size where a list request names none. */
export const DEFAULT_PAGE_SIZE = 25;

/** Largest page of a list. */
export const MAX_PAGE_SIZE = 100;

/** Seconds that an agent's token lives where `authorize` names no lifetime. */
export const DEFAULT_TOKEN_LIFETIME = 3_600;

/** Longest lifetime of an agent's token in seconds: 90 days. */
export const MAX_TOKEN_LIFETIME = 90 * 86_400;

/** Longest time in seconds for which a rotated token goes on beside the new one: a week. */
export const MAX_TOKEN_OVERLAP = 7 * 86_400;

/** Seconds in which a one-time code of the console is exchanged for its key. */
export const CONSOLE_CODE_LIFETIME = 60;

/** Seconds that the console's key lives where nothing is said: 12 hours. */
export const DEFAULT_CONSOLE_KEY_LIFETIME = 12 * 3_600;

/** Longest lifetime of the console's key in seconds: 30 days. */
export const MAX_CONSOLE_KEY_LIFETIME = 30 * 86_400;

/** Most scopes of a credential, and most that a call may require. */
export const MAX_SCOPES = 50;

/** Seconds for which a reservation is held where `reserve` names no time. */
export const DEFAULT_RESERVATION_LIFETIME = 300;

/** Longest time in seconds for which a reservation is held: a day. */
export const MAX_RESERVATION_LIFETIME = 86_400;

/** Seconds that a sender's clock may be ahead: a `timestamp` further in the future is rejected. */
export const MAX_CLOCK_SKEW = 300;

/** Most characters of a resource's id. */
export const MAX_ID_LENGTH = 200;

/** Most characters of a person's or an owner's name for a resource. */
export const MAX_NAME_LENGTH = 200;

/** Most entries of metadata. */
export const MAX_METADATA_ENTRIES = 50;

/** Most characters of the name of a metadata entry. */
export const MAX_METADATA_KEY_LENGTH = 40;

/** Most characters of the value of a metadata entry. */
export const MAX_METADATA_VALUE_LENGTH = 500;

/** Most characters of a memo on an invoice or a credit note, and of the reason of an adjustment. */
export const MAX_MEMO_LENGTH = 500;

/** Most characters of a webhook's URL. */
export const MAX_URL_LENGTH = 2_000;

/** Most webhooks of an account in one mode. */
export const MAX_WEBHOOKS = 20;

/** Most tiers of a price. */
export const MAX_PRICE_TIERS = 20;

/** Most periods that a discount or a minimum of a customer counts for, where their number is given. */
export const MAX_TERM_PERIODS = 1_200;

/** Most days that a time series of usage spans, by the length of its intervals. */
export const MAX_TIMESERIES_DAYS = { hour: 7, day: 366, month: 3_660 } as const;

/** Most characters of an account's `paymentInstructions`. */
export const MAX_PAYMENT_INSTRUCTIONS_LENGTH = 1_000;

/** Most characters of the reference of a payment. */
export const MAX_PAYMENT_REFERENCE_LENGTH = 200;

/** Seconds for which a link to an invoice's document opens it unless said otherwise: 30 days. */
export const DEFAULT_INVOICE_LINK_LIFETIME = 30 * 86_400;

/** Most seconds for which a link to an invoice's document opens it: a year. */
export const MAX_INVOICE_LINK_LIFETIME = 366 * 86_400;
