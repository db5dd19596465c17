import type { Pagination } from "@licentric/contract";
import { APIPromise } from "./api-promise.ts";
import { LicentricError } from "./errors.ts";

/**
 * One page of a list. Iterating over it goes on through all following pages.
 *
 * @example
 * ```ts
 * let page = await client.agents.list({ limit: 100 });
 * show(page.data);
 * while (page.hasNextPage()) {
 *   page = await page.getNextPage();
 *   show(page.data);
 * }
 * ```
 */
export class Page<Item> implements AsyncIterable<Item> {
  /** The items of this page. */
  readonly data: readonly Item[];
  /** The cursor of the next page, and whether there is one. */
  readonly pagination: Pagination;
  readonly #next: (cursor: string) => PagePromise<Item>;

  /** Made by the client's `list` calls. */
  constructor(data: readonly Item[], pagination: Pagination, next: (cursor: string) => PagePromise<Item>) {
    this.data = data;
    this.pagination = pagination;
    this.#next = next;
  }

  /** Returns true where there are more items after this page. */
  hasNextPage(): boolean {
    return this.pagination.hasMore && this.pagination.nextCursor !== null;
  }

  /**
   * The page behind this one, asked for with the same query and options.
   *
   * @throws LicentricError where there is none: ask {@link Page.hasNextPage} first
   */
  getNextPage(): PagePromise<Item> {
    const { hasMore, nextCursor } = this.pagination;
    if (!hasMore || nextCursor === null) {
      throw new LicentricError("This is the last page: ask hasNextPage() before getNextPage().");
    }
    return this.#next(nextCursor);
  }

  /** Every item of this page and of all pages behind it, one page asked for at a time. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Item, void, undefined> {
    const seen = new Set<string | null>();
    let page: Page<Item> = this;
    for (;;) {
      yield* page.data;
      if (!page.hasNextPage()) return;
      const { nextCursor } = page.pagination;
      if (seen.has(nextCursor)) {
        throw new LicentricError("The API answered a cursor for the second time: the list would never end.");
      }
      seen.add(nextCursor);
      page = await page.getNextPage();
    }
  }
}

/**
 * The promise that every `list` call returns: awaited, the first page; iterated, every item of every page.
 *
 * @example
 * ```ts
 * for await (const agent of client.agents.list({ status: "active" })) show(agent.name);
 * ```
 */
export class PagePromise<Item> extends APIPromise<Page<Item>> implements AsyncIterable<Item> {
  /** Every item of every page, one page asked for at a time. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Item, void, undefined> {
    yield* await this;
  }
}
