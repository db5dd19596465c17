import { DEFAULT_PAGE_SIZE, type Pagination } from "@licentric/contract";

/** Which page of a list is asked for. */
export interface PageRequest {
  readonly limit: number;
  /** Cursor that the previous page named for the next one; null for the first page. */
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
export function readPage<Row, Item extends { id: string }>(
  page: PageRequest,
  select: (limit: number) => Promise<Row[]>,
  toItem: (row: Row) => Item,
): Promise<Page<Item>> {
  return readPageBy(
    page,
    async (limit) => (await select(limit)).map(toItem),
    ({ id }) => id,
  );
}

/** Reads one page of what has no id of its own: `cursorOf` says where the next one goes on. */
export async function readPageBy<Item>(
  { limit }: PageRequest,
  select: (limit: number) => Promise<Item[]>,
  cursorOf: (item: Item) => string,
): Promise<Page<Item>> {
  const items = await select(limit + 1);
  const data = items.slice(0, limit);
  const last = items.length > limit ? data.at(-1) : undefined;
  return { data, pagination: { hasMore: last !== undefined, nextCursor: last ? cursorOf(last) : null } };
}
