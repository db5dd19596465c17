import * as z from "zod";
import { DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE } from "./limits.ts";
import { Id } from "./primitives.ts";

/** `{ "data": … }`: how every single answer is wrapped. */
export function dataEnvelope<Data extends z.ZodType>(data: Data) {
  return z.object({ data });
}

/** The cursor of a list's next page, and whether there is one. */
export const Pagination = z.object({
  nextCursor: Id.nullable().meta({ description: "What to pass as `cursor` for the next page." }),
  hasMore: z.boolean(),
});

/** The cursor of a list's next page, and whether there is one. */
export type Pagination = z.infer<typeof Pagination>;

/** `{ "data": […], "pagination": … }`: how every list is wrapped. */
export function listEnvelope<Item extends z.ZodType>(item: Item) {
  return z.object({ data: z.array(item), pagination: Pagination });
}

/** The query parameters that every list takes. Query values arrive as text, so `limit` is coerced. */
export const PageQuery = z.strictObject({
  limit: z.coerce
    .number()
    .pipe(z.int().min(1).max(MAX_PAGE_SIZE))
    .optional()
    .meta({ description: `Page size, 1 to ${MAX_PAGE_SIZE}, ${DEFAULT_PAGE_SIZE} by default.` }),
  cursor: Id.optional().meta({ description: "Id of the last resource of the previous page." }),
});
