import type { ReactNode } from "react";
import { ApiError } from "../api.ts";

/** An error in words, with the request's id for the server's log. */
export function Problem({ error, onRetry }: { readonly error: Error; readonly onRetry?: () => void }) {
  const requestId = error instanceof ApiError ? error.requestId : null;
  return (
    <div className="problem" role="alert">
      <p>{error instanceof ApiError ? error.message : "This page could not be shown. Load it again."}</p>
      {requestId !== null && (
        <p className="muted small">
          The server's log says more under the request <code>{requestId}</code>.
        </p>
      )}
      {onRetry !== undefined && (
        <button className="button" type="button" onClick={onRetry}>
          Ask again
        </button>
      )}
    </div>
  );
}

/** Nothing to show, and the next step. */
export function Empty({ title, children }: { readonly title: string; readonly children?: ReactNode }) {
  return (
    <div className="empty">
      <p className="empty-title">{title}</p>
      {children !== undefined && <div className="muted">{children}</div>}
    </div>
  );
}

/** A command line to type, on a line of its own. */
export function Command({ children }: { readonly children: string }) {
  return <code className="command">{children}</code>;
}

/** Rows that are on their way. */
export function Loading({ rows = 5 }: { readonly rows?: number }) {
  return (
    <div className="loading" role="status">
      <span className="visually-hidden">Loading</span>
      {Array.from({ length: rows }, (_, row) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: nothing else tells the rows apart, and none moves.
        <div className="loading-row" key={row} aria-hidden="true" />
      ))}
    </div>
  );
}

/** State of a query, as far as it is shown. */
interface Asked<Data> {
  readonly data: Data | undefined;
  readonly error: Error | null;
  readonly refetch: () => unknown;
}

/** Shows what was asked for, that it is on its way, or why it does not come. */
export function Loaded<Data>({
  query,
  rows,
  frame = (content) => content,
  children,
}: {
  readonly query: Asked<Data>;
  readonly rows?: number;
  /** Heading of a page that is of one thing, as long as that is not known. */
  readonly frame?: (content: ReactNode) => ReactNode;
  readonly children: (data: Data) => ReactNode;
}) {
  const { data, error, refetch } = query;
  if (data !== undefined) return children(data);
  if (error !== null) return frame(<Problem error={error} onRetry={() => void refetch()} />);
  return frame(<Loading rows={rows} />);
}
