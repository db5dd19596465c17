import type { Style } from "../terminal/style.ts";
import type { Cell } from "../terminal/table.ts";

const STYLES: Readonly<Record<string, Style>> = {
  active: "green",
  ok: "green",
  open: "green",
  paid: "green",
  suspended: "yellow",
  warning: "yellow",
  exceeded: "red",
  payment_failed: "red",
  uncollectible: "red",
};

/** A status word in the colour that says how bad it is; words that this version does not know are plain. */
export function shownStatus(status: string | undefined): Cell {
  const style = status === undefined ? undefined : STYLES[status];
  return status === undefined || style === undefined ? status : { text: status, style };
}
