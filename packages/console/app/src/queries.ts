import type {
  Account,
  Agent,
  BillingPeriod,
  Customer,
  Invoice,
  Meter,
  UsageIntervalTotal,
  UsageTotal,
} from "@licentric/contract";
import { keepPreviousData, QueryCache, QueryClient, queryOptions, useQuery } from "@tanstack/react-query";
import { ApiError, type Listed, request, withQuery } from "./api.ts";
import { activeSession, endSession } from "./session.ts";

const refused = (error: unknown, statuses: readonly number[]) =>
  error instanceof ApiError && error.status !== null && statuses.includes(error.status);

/** Answers that were read. Each is kept under the session that asked. */
export const queryClient = new QueryClient({
  queryCache: new QueryCache({
    onError: (error, { queryKey: [session] }) => {
      if (refused(error, [401])) endSession(String(session), "The console's key has ended or was revoked.");
    },
  }),
  defaultOptions: {
    queries: {
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
    queryFn: ({ signal }) => request<Answer>("GET", path, session?.key ?? null, signal),
  });
}

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
