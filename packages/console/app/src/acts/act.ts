import type { KeyScope } from "@licentric/contract";
import type { ReactNode } from "react";
import { useSyncExternalStore } from "react";
import type { Method } from "../api.ts";

/** Texts that were filled in, by the names of the fields. A box that is ticked is `on`, one that is not is empty. */
export type Values = Readonly<Record<string, string>>;

/** A choice's value and its words. */
export type Option = readonly [string, string];

/** One thing to fill in or to choose. */
export interface Field {
  readonly name: string;
  readonly label: string;
  /** `customer`, `meter` and `period` are choices among the account's own. */
  readonly kind:
    | "text"
    | "email"
    | "url"
    | "whole"
    | "decimal"
    | "lines"
    | "check"
    | "choice"
    | "customer"
    | "meter"
    | "period";
  readonly hint?: string;
  readonly required?: boolean;
  readonly initial?: string;
  /** Of a choice. Of one among the account's own: what stands before them. */
  readonly options?: readonly Option[];
  /** Least of a whole number; 0 by default. */
  readonly least?: number;
  /** Condition under which the field is asked for; always by default. */
  readonly when?: (values: Values) => boolean;
}

/** Sends one request of a change with the session's key. Sent again unchanged, it does nothing twice. */
export type Send = <Answer>(method: Method, path: string, body?: object) => Promise<Answer>;

/** A change that the owner can make here: its button, the question that comes before it, and what comes of it. */
export interface Act<Answer = unknown> {
  /** Words of the button. */
  readonly name: string;
  /** Subject of the change, where buttons of the same name stand one below the other. */
  readonly of?: string;
  /** Heading of the question. */
  readonly title: string;
  /** Without this scope there is no button. */
  readonly scope: KeyScope;
  /** The consequence, in words, before it is confirmed. */
  readonly says: ReactNode;
  /** Words of the button that confirms it; its name by default. */
  readonly confirm?: string;
  /** It takes something away that does not come back. */
  readonly grave?: boolean;
  readonly fields?: readonly Field[];
  readonly perform: (values: Values, send: Send) => Promise<Answer>;
  /** Its result, in a sentence. */
  readonly done: string | ((answer: Answer) => string);
  /** More about it, which stays until it is closed. */
  readonly outcome?: (answer: Answer) => ReactNode;
  /** A secret that is shown this one time. */
  readonly secret?: (answer: Answer) => string;
  /** Words above the secret, where it is not the usual one: of which a hash is stored. */
  readonly secretLabel?: string;
}

/** The change that is asked about, and the button that it was asked with. */
interface Asked {
  // biome-ignore lint/suspicious/noExplicitAny: whoever makes an act knows its answer, and nobody else looks at it.
  readonly act: Act<any>;
  readonly trigger: HTMLElement;
}

interface State {
  readonly asked: Asked | null;
  /** The last change that was made, in a sentence. */
  readonly done: string | null;
}

let state: State = { asked: null, done: null };
const listeners = new Set<() => void>();

function set(next: State) {
  state = next;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The change that is asked about now, and the last one that was made. */
export const useActs = (): State => useSyncExternalStore(subscribe, () => state);

/** Asks whether a change is to be made. */
export const ask = (asked: Asked): void => set({ asked, done: null });

/** Ends the question, with what was done. */
export const settle = (done: string | null): void => set({ asked: null, done });
