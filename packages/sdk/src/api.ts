import type { Route } from "@licentric/contract";
import type { z } from "zod";
import type { Answer } from "./answer.ts";
import { APIPromise, type Parsed } from "./api-promise.ts";
import { checkData, checkList, type ResponseOf } from "./check-response.ts";
import { LicentricError, noteIdempotencyKey } from "./errors.ts";
import type { ClientConfig, RequestOptions } from "./options.ts";
import { Page, PagePromise } from "./page.ts";
import { sendWithRetries } from "./send-with-retries.ts";
import type { TextAnswer } from "./transport/send.ts";
import { type CallInput, toWire } from "./wire.ts";

/** The body that a call takes. */
export type BodyOf<R extends Route> = R extends { readonly body: infer B extends z.ZodType }
  ? z.input<B>
  : never;

/** The query that a call takes. */
export type QueryOf<R extends Route> = R extends { readonly query: infer Q extends z.ZodType }
  ? z.output<Q>
  : never;

/** The one way by which every call of every resource goes out and comes back. */
export interface Api {
  /** Calls a route that answers one thing. */
  call<R extends Route>(route: R, input: CallInput, options?: RequestOptions): APIPromise<ResponseOf<R>>;
  /** Calls a route and makes something of its data, for example a secret of a text. */
  callAs<R extends Route, Data>(
    route: R,
    input: CallInput,
    options: RequestOptions | undefined,
    toData: (data: ResponseOf<R>) => Data,
  ): APIPromise<Data>;
  /** Calls a route that answers a list. */
  list<R extends Route>(route: R, input: CallInput, options?: RequestOptions): PagePromise<ResponseOf<R>>;
}

/** Makes the {@link Api} of a client. */
export function createApi(config: ClientConfig): Api {
  async function exchange<Data>(
    route: Route,
    input: CallInput,
    options: RequestOptions,
    read: (answer: TextAnswer, what: string) => Data,
  ): Promise<Parsed<Data>> {
    const wire = toWire(config, route, input, options);
    try {
      const answer = await sendWithRetries(config, wire, options);
      return { data: read(answer, wire.what), answer: bare(answer) };
    } catch (error) {
      if (error instanceof LicentricError) noteIdempotencyKey(error, wire.headers["idempotency-key"]);
      throw error;
    }
  }

  function parse<R extends Route, Data>(
    route: R,
    input: CallInput,
    options: RequestOptions,
    toData: (data: ResponseOf<R>) => Data,
  ): Promise<Parsed<Data>> {
    return exchange(route, input, options, (answer, what) => toData(checkData(route, answer, what)));
  }

  function parsePage<R extends Route>(
    route: R,
    input: CallInput,
    options: RequestOptions,
  ): Promise<Parsed<Page<ResponseOf<R>>>> {
    return exchange(route, input, options, (answer, what) => {
      const { data, pagination } = checkList(route, answer, what);
      const query = input.query ?? {};
      return new Page(data, pagination, (cursor) => {
        if ("cursor" in query && query.cursor === cursor) {
          throw new LicentricError(
            `${what} answered its own cursor as the next one: the list would never end.`,
          );
        }
        return list(route, { ...input, query: { ...query, cursor } }, options);
      });
    });
  }

  function call<R extends Route>(
    route: R,
    input: CallInput,
    options: RequestOptions = {},
  ): APIPromise<ResponseOf<R>> {
    return new APIPromise(
      traced(
        parse(route, input, options, (data) => data),
        call,
      ),
    );
  }

  function callAs<R extends Route, Data>(
    route: R,
    input: CallInput,
    options: RequestOptions | undefined,
    toData: (data: ResponseOf<R>) => Data,
  ): APIPromise<Data> {
    return new APIPromise(traced(parse(route, input, options ?? {}, toData), callAs));
  }

  function list<R extends Route>(
    route: R,
    input: CallInput,
    options: RequestOptions = {},
  ): PagePromise<ResponseOf<R>> {
    return new PagePromise(traced(parsePage(route, input, options), list));
  }

  return { call, callAs, list };
}

/** Without the text: it may hold a secret, and everything in it is in the data. */
const bare = ({ status, headers, attempts }: Answer): Answer => ({ status, headers, attempts });

/**
 * Adds the line of the user's code that made a call to what the call throws: V8 follows `await`, but not into a
 * promise that a constructor settles.
 */
async function traced<Result>(result: Promise<Result>, above: (...args: never) => unknown): Promise<Result> {
  const site: { stack?: string } = {};
  Error.captureStackTrace(site, above);
  try {
    return await result;
  } catch (error) {
    const frames = site.stack?.replace(/^[^\n]*\n/, "");
    if (error instanceof LicentricError && frames)
      error.stack = `${error.stack}\n    --- called from ---\n${frames}`;
    throw error;
  }
}
