import type {
  Account,
  Agent,
  BillingPeriod,
  CostPreview,
  Customer,
  Invoice,
  Meter,
  Mode,
  UsageIntervalTotal,
  UsageTotal,
  Webhook,
} from "@licentric/contract";
import {
  keepPreviousData,
  MutationCache,
  QueryCache,
  QueryClient,
  queryOptions,
  useQuery,
} from "@tanstack/react-query";
import { ApiError, type Listed, request, withQuery } from "./api.ts";
import { activeSession, endSession } from "./session.ts";

const refused = (error: unknown, statuses: readonly number[]) =>
  error instanceof ApiError && error.status !== null && statuses.includes(error.status);

/** Signs a session out whose key is refused. */
function endIfRefused(error: unknown, session: unknown): void {
  if (refused(error, [401])) endSession(String(session), "The console's key has ended or was revoked.");
}

/** Answers that were read. Each is kept under the session that asked; a change names it as well. */
export const queryClient = new QueryClient({
  queryCache: new QueryCache({ onError: (error, { queryKey: [session] }) => endIfRefused(error, session) }),
  mutationCache: new MutationCache({
    onError: (error, _values, _result, { options }) => endIfRefused(error, options.mutationKey?.[0]),
  }),
  defaultOptions: {
    // A server on this machine answers also where the browser has no network.
    mutations: { networkMode: "always" },
    queries: {
      networkMode: "always",
      staleTime: 15_000,
      retry: (count, error) => count < 2 && !refused(error, [400, 401, 403, 404, 422, 429]),
      refetchOnWindowFocus: true,
    },
  },
});

/** Reads a path of the API with the session's key. What another session read is not shown: its key is another one. */
export function read<Answer>(path: string) {
  const session = activeSession();
  return queryOptions({
    queryKey: [session?.id, path],
    queryFn: ({ signal }) => request<Answer>("GET", path, session?.key ?? null, { signal }),
  });
}

/** Most pages of a list that are read at once: a thousand rows. */
const MOST_PAGES = 10;

/** Rows of a whole list, as far as it is read. */
export interface Whole<Row> {
  readonly rows: readonly Row[];
  /** The list goes on after these rows. */
  readonly goesOn: boolean;
}

/** Reads a list whole, for a sum or a choice: up to a thousand rows. */
export function readWhole<Row>(path: string, query: Query = {}) {
  const session = activeSession();
  const name = withQuery(path, query);
  return queryOptions({
    queryKey: [session?.id, name, "whole"],
    queryFn: async ({ signal }): Promise<Whole<Row>> => {
      const rows: Row[] = [];
      let cursor: string | null = null;
      for (let page = 0; page < MOST_PAGES; page += 1) {
        const next: string = withQuery(path, { ...query, limit: 100, cursor: cursor ?? undefined });
        const listed: Listed<Row> = await request("GET", next, session?.key ?? null, { signal });
        rows.push(...listed.data);
        cursor = listed.pagination.nextCursor;
        if (!listed.pagination.hasMore) return { rows, goesOn: false };
      }
      return { rows, goesOn: true };
    },
  });
}

/** Reads what the period that runs costs each payer, as if it was closed now. */
export const costsQuery = (query: { readonly customerId?: string } = {}) => ({
  ...readWhole<CostPreview>("/api/v1/billing/preview", query),
  refetchInterval: 15_000,
});

const resource = <Data>(path: string) => ({
  ...read<{ data: Data }>(path),
  select: ({ data }: { data: Data }) => data,
});

/** Parameters of a page of a list. */
type Query = Readonly<Record<string, string | number | undefined>>;

/** Rows of a page of a list. */
export const PAGE = 25;

/** Reads a page of a list; while the next one comes, the one before stays. */
export function useList<Item>(path: string, query: Query = {}) {
  return useQuery({
    ...read<Listed<Item>>(withQuery(path, { limit: PAGE, ...query })),
    placeholderData: keepPreviousData,
  });
}

export const accountQuery = () => ({ ...resource<Account>("/api/v1/account"), staleTime: 300_000 });
export const agentQuery = (id: string) => resource<Agent>(`/api/v1/agents/${encodeURIComponent(id)}`);
export const customerQuery = (id: string) =>
  resource<Customer>(`/api/v1/customers/${encodeURIComponent(id)}`);
export const meterQuery = (id: string) => resource<Meter>(`/api/v1/meters/${encodeURIComponent(id)}`);
export const invoiceQuery = (id: string) =>
  resource<Invoice>(`/api/v1/billing/invoices/${encodeURIComponent(id)}`);
export const periodQuery = (id: string) =>
  resource<BillingPeriod>(`/api/v1/billing/periods/${encodeURIComponent(id)}`);
export const webhookQuery = (id: string) => resource<Webhook>(`/api/v1/webhooks/${encodeURIComponent(id)}`);
export const currentPeriodQuery = () => resource<BillingPeriod>("/api/v1/billing/periods/current");
export const metersQuery = () => ({
  ...read<Listed<Meter>>("/api/v1/meters?limit=100"),
  select: ({ data }: Listed<Meter>) => data,
  staleTime: 60_000,
});

/** Reads usage by intervals. */
export const timeseriesQuery = (query: Query) =>
  resource<UsageIntervalTotal[]>(withQuery("/api/v1/usage/timeseries", query));

/** Reads the sums of the period that runs, or of another. */
export const totalsQuery = (query: Query) => resource<UsageTotal[]>(withQuery("/api/v1/usage/totals", query));

/** The account's currency and time zone. A page is shown once they are known. */
export function useMoneyAndTime(): { readonly currency: string; readonly timeZone: string } {
  const { data } = useQuery(accountQuery());
  if (data === undefined) throw new Error("a page is shown before the account is known");
  return data;
}

/** Answer of `GET /readyz` where all is well. */
export interface Readiness {
  readonly status: string;
  readonly stripe: Mode | null;
  /** Milliseconds by which the server's clock is ahead of the database's. */
  readonly clockSkew: number;
}

/** Reads whether the server is ready, and what it is connected to. */
export const readinessQuery = () => ({ ...read<Readiness>("/readyz"), retry: false });

/** Returns whether invoices of this mode go to Stripe. Where a proxy keeps it to itself, they may; undefined until it is known. */
export function useStripe(): boolean | undefined {
  const { data, isError } = useQuery({ ...readinessQuery(), staleTime: 60_000 });
  if (isError) return true;
  return data === undefined ? undefined : data.stripe === activeSession()?.mode;
}
