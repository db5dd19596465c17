import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import type { Listed } from "../api.ts";
import { Loaded } from "./states.tsx";
import { type Column, Pager, type PageSearch, Table } from "./table.tsx";

/** A page of a list, the way to the next one, or what to do where there is nothing yet. */
export function List<Row extends object>({
  query,
  label,
  columns,
  rowKey,
  search,
  empty,
}: {
  readonly query: UseQueryResult<Listed<Row>>;
  readonly label: string;
  readonly columns: readonly Column<Row>[];
  readonly rowKey: (row: Row) => string;
  /** Left out where a list has no further pages. */
  readonly search?: PageSearch;
  readonly empty: ReactNode;
}) {
  return (
    <Loaded query={query}>
      {({ data, pagination }) => (
        <div className={query.isPlaceholderData ? "list stale" : "list"}>
          {data.length === 0 && (search?.page ?? 1) === 1 ? (
            empty
          ) : (
            <>
              <Table label={label} columns={columns} rows={data} rowKey={rowKey} />
              {search !== undefined && <Pager pagination={pagination} search={search} />}
            </>
          )}
        </div>
      )}
    </Loaded>
  );
}
