import { DEFAULT_PAGE_SIZE, type Pagination } from "@licentric/contract";

/** Which page of a list is asked for. */
export interface PageRequest {
  readonly limit: number;
  /** The id of the last resource of the page before; null for the first page. */
  readonly cursor: string | null;
}

/** One page of a list, as it is answered. */
export interface Page<Item> {
  readonly data: Item[];
  readonly pagination: Pagination;
}

/** The page that a query's `limit` and `cursor` ask for. */
export function pageRequest(query: { limit?: number | undefined; cursor?: string | undefined }): PageRequest {
  return { limit: query.limit ?? DEFAULT_PAGE_SIZE, cursor: query.cursor ?? null };
}

/**
 * Reads one page. Ids are UUIDs of version 7, which grow with time, so "newest first" is "largest id first" and
 * the last id of a page is where the next one goes on, whatever is added meanwhile.
 *
 * @param select reads up to that many rows after the cursor, one more than the page holds.
 */
export async function readPage<Row, Item extends { id: string }>(
  { limit }: PageRequest,
  select: (limit: number) => Promise<Row[]>,
  toItem: (row: Row) => Item,
): Promise<Page<Item>> {
  const rows = await select(limit + 1);
  const data = rows.slice(0, limit).map(toItem);
  const hasMore = rows.length > limit;
  return { data, pagination: { hasMore, nextCursor: hasMore ? (data.at(-1)?.id ?? null) : null } };
}
