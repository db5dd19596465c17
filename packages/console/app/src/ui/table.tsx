import { useRouter } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { Listed } from "../api.ts";

/** A column of a table. */
export interface Column<Row> {
  readonly head: string;
  readonly cell: (row: Row) => ReactNode;
  /** Figures stand at the end, so that their digits are below each other. */
  readonly align?: "end";
  /** Takes what room the others leave. */
  readonly wide?: boolean;
}

interface TableProps<Row> {
  /** Name of the table, for those who do not see what stands above it. */
  readonly label: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly rowKey: (row: Row) => string;
  /** Keeps a table of few figures together. */
  readonly narrow?: boolean;
}

/**
 * A table, which is one card for each row on a narrow screen. The roles are said, since a browser forgets them where the
 * rows are laid out otherwise.
 */
export function Table<Row>({ label, columns, rows, rowKey, narrow }: TableProps<Row>) {
  return (
    // biome-ignore-start lint/a11y/noRedundantRoles: they are lost with `display: block`.
    <table className={narrow ? "table narrow" : "table"} role="table" aria-label={label}>
      <thead role="rowgroup">
        <tr role="row">
          {columns.map(({ head, align, wide }) => (
            <th key={head} role="columnheader" scope="col" className={classes(align, wide)}>
              {head}
            </th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {rows.map((row) => (
          <tr key={rowKey(row)} role="row">
            {columns.map(({ head, cell, align, wide }) => (
              <td key={head} role="cell" data-head={head} className={classes(align, wide)}>
                <div className="cell">{cell(row)}</div>
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
    // biome-ignore-end lint/a11y/noRedundantRoles: they are lost with `display: block`.
  );
}

function classes(align: "end" | undefined, wide: boolean | undefined): string {
  return `${align === "end" ? "end" : ""} ${wide ? "wide" : ""}`.trim();
}

/** The way through a list's pages: where it goes on is the server's to say, and what was before is the browser's. */
export function Pager({
  pagination,
  search,
}: {
  readonly pagination: Listed<unknown>["pagination"];
  readonly search: PageSearch;
}) {
  const router = useRouter();
  const page = search.page ?? 1;
  if (page === 1 && !pagination.hasMore) return null;
  const next = () =>
    void router.navigate({
      to: ".",
      search: (now: object) => ({ ...now, cursor: pagination.nextCursor ?? undefined, page: page + 1 }),
    });
  return (
    <nav className="pager" aria-label="Pages">
      <button className="button" type="button" disabled={page === 1} onClick={() => router.history.back()}>
        Previous
      </button>
      <span className="muted">Page {page}</span>
      <button className="button" type="button" disabled={!pagination.hasMore} onClick={next}>
        Next
      </button>
    </nav>
  );
}

/** The part of an address that says which page of a list is shown. */
export interface PageSearch {
  readonly cursor?: string;
  readonly page?: number;
}

/** Reads which page of a list an address names. */
export function pageSearch(search: Record<string, unknown>): PageSearch {
  const { cursor, page } = search;
  if (typeof cursor !== "string" || cursor === "") return {};
  return { cursor, page: typeof page === "number" && Number.isSafeInteger(page) && page > 1 ? page : 2 };
}
