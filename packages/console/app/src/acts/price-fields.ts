import type { BillingPeriod, Price } from "@licentric/contract";
import { ApiError } from "../api.ts";
import { month, nextMonths } from "../format.ts";
import type { Field, Option, Send, Values } from "./act.ts";

/** Months from which a price can be set here. */
const MONTHS = 6;

const MODELS: readonly Option[] = [
  ["per_unit", "Each unit costs the same"],
  ["package", "Each begun package costs the same"],
  ["graduated", "The units of each tier have its price"],
  ["volume", "All units have the price of the tier reached"],
];

const isTiered = ({ model }: Values) => model === "graduated" || model === "volume";

const TIERS_HINT =
  "One tier on a line: up to how many units, the price of each, and what is added once, if anything. The last line begins with rest.";

/**
 * The fields of a price.
 *
 * @param none words of the choice of no price; undefined where there must be one.
 */
export function priceFields(currency: string, price: Price | null, none?: string): readonly Field[] {
  const inCurrency = `in ${currency.toUpperCase()}`;
  const isPriced = ({ model }: Values) => model !== "";
  return [
    {
      name: "model",
      label: "Price",
      kind: "choice",
      options: none === undefined ? MODELS : [["", none], ...MODELS],
      initial: price?.model ?? (none === undefined ? "per_unit" : ""),
    },
    {
      name: "unitPrice",
      label: `Price of a unit ${inCurrency}`,
      kind: "decimal",
      required: true,
      initial: price?.model === "per_unit" ? price.unitPrice : "",
      when: ({ model }) => model === "per_unit",
    },
    ...packageFields(inCurrency, price),
    {
      name: "tiers",
      label: `Tiers ${inCurrency}`,
      kind: "lines",
      required: true,
      hint: TIERS_HINT,
      initial: tiersText(price),
      when: isTiered,
    },
    {
      name: "includedQuantity",
      label: "Free units in each period",
      kind: "whole",
      initial: price?.includedQuantity === undefined ? "" : String(price.includedQuantity),
      when: isPriced,
    },
    ...allowanceFields(price, isPriced),
    {
      name: "minimumAmount",
      label: `Least of a period with usage ${inCurrency}`,
      kind: "decimal",
      initial: price?.minimumAmount ?? "",
      when: isPriced,
    },
  ];
}

/** The fields of units that each customer has free. */
function allowanceFields(price: Price | null, when: (values: Values) => boolean): readonly Field[] {
  return [
    {
      name: "allowanceQuantity",
      label: "Free units of each customer",
      hint: "In place of the free units above. An agent without a customer has its own.",
      kind: "whole",
      initial: price?.allowance === undefined ? "" : String(price.allowance.quantity),
      when,
    },
    {
      name: "allowanceEvery",
      label: "Given anew",
      kind: "choice",
      options: [
        ["day", "Every day"],
        ["period", "Every period"],
      ],
      initial: price?.allowance?.every ?? "day",
      when: ({ allowanceQuantity }) => Boolean(allowanceQuantity),
    },
  ];
}

/** The fields of a price by packages. */
function packageFields(inCurrency: string, price: Price | null): readonly Field[] {
  const of = price?.model === "package" ? price : null;
  const when = ({ model }: Values) => model === "package";
  return [
    {
      name: "packageSize",
      label: "Units in a package",
      kind: "whole",
      least: 1,
      required: true,
      initial: of === null ? "" : String(of.packageSize),
      when,
    },
    {
      name: "packagePrice",
      label: `Price of a package ${inCurrency}`,
      kind: "decimal",
      required: true,
      initial: of?.packagePrice ?? "",
      when,
    },
  ];
}

function tiersText(price: Price | null): string {
  if (price === null || !("tiers" in price)) return "1000 0.05\nrest 0.04";
  return price.tiers
    .map(({ upTo, unitPrice, flatPrice }) => [upTo ?? "rest", unitPrice, flatPrice].filter(Boolean).join(" "))
    .join("\n");
}

/** The price that was filled in; null where none was chosen. */
export function priceOf(values: Values): Price | null {
  const { model, includedQuantity, allowanceQuantity, minimumAmount } = values;
  const every = values["allowanceEvery"] === "period" ? ("period" as const) : ("day" as const);
  const common = {
    ...(includedQuantity ? { includedQuantity: Number(includedQuantity) } : {}),
    ...(allowanceQuantity ? { allowance: { quantity: Number(allowanceQuantity), every } } : {}),
    ...(minimumAmount ? { minimumAmount } : {}),
  };
  switch (model) {
    case "per_unit":
      return { model, unitPrice: values["unitPrice"] ?? "", ...common };
    case "package":
      return {
        model,
        packageSize: Number(values["packageSize"]),
        packagePrice: values["packagePrice"] ?? "",
        ...common,
      };
    case "graduated":
    case "volume":
      return { model, tiers: tiersOf(values["tiers"] ?? ""), ...common };
    default:
      return null;
  }
}

const TIER = /^(rest|\d+)\s+(\d+(?:\.\d+)?)(?:\s+(\d+(?:\.\d+)?))?$/;

function tiersOf(text: string) {
  const lines = text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);
  return lines.map((line) => {
    const [, upTo, unitPrice = "", flatPrice] = TIER.exec(line) ?? [];
    if (upTo === undefined) {
      throw new ApiError(
        `"${line}" is not a tier. Write for example "1000 0.05", "10000 0.04 10" or "rest 0.025".`,
        null,
        null,
      );
    }
    return {
      upTo: upTo === "rest" ? null : Number(upTo),
      unitPrice,
      ...(flatPrice === undefined ? {} : { flatPrice }),
    };
  });
}

/** The choice of the first period that a price bills: whole periods have one price. */
export function fromField(timeZone: string): Field {
  const [next, ...later] = nextMonths(MONTHS, timeZone);
  return {
    name: "from",
    label: "Bills",
    kind: "choice",
    options: [
      [next?.toISOString() ?? "", "The next period and later ones"],
      ["running", "The period that runs, whole, and later ones"],
      ...later.map((at): Option => [at.toISOString(), `Periods from ${month(at, timeZone)} on`]),
    ],
  };
}

/** The moment from which the price is in effect, as it was chosen. */
export async function effectiveFrom({ from }: Values, send: Send): Promise<string | undefined> {
  if (from !== "running") return from;
  const { data } = await send<{ data: BillingPeriod }>("GET", "/api/v1/billing/periods/current");
  return data.startsAt;
}
