import type { Meter } from "@licentric/contract";
import { Link } from "@tanstack/react-router";
import { visible } from "../text.ts";
import type { Act } from "./act.ts";
import { effectiveFrom, fromField, priceFields, priceOf } from "./price-fields.ts";

const pathOf = (meterId: string) => `/api/v1/meters/${encodeURIComponent(meterId)}`;

/** The account's currency, and the time zone that its periods are in. */
interface MoneyAndTime {
  readonly currency: string;
  readonly timeZone: string;
}

/** Creates a meter, with its price. */
export function createMeter({ currency }: MoneyAndTime): Act<{ data: Meter }> {
  return {
    name: "Create meter",
    title: "Create a meter",
    scope: "meters:write",
    says: <p>Usage is counted by it under its name in code, which cannot be changed later.</p>,
    fields: [
      {
        name: "name",
        label: "Name in code",
        kind: "text",
        required: true,
        hint: "Lower-case letters, digits, and _ . - in between; it begins with a letter.",
      },
      { name: "displayName", label: "Name on invoices", kind: "text" },
      { name: "unit", label: "Unit", kind: "text", hint: "One of what is counted: call, page, token." },
      ...priceFields(currency, null, "None: it is counted and not charged"),
    ],
    perform: (values, send) => {
      const { name, displayName, unit } = values;
      const price = priceOf(values);
      return send("POST", "/api/v1/meters", {
        name,
        ...(displayName ? { displayName } : {}),
        ...(unit ? { unit } : {}),
        ...(price === null ? {} : { price }),
      });
    },
    done: ({ data }) => `${visible(data.displayName)} is created.`,
    outcome: ({ data }) => (
      <p>
        <Link to="/meters/$meterId" params={{ meterId: data.id }}>
          Go to its page
        </Link>
      </p>
    ),
  };
}

/** Changes how a meter is called on invoices. */
export function editMeter(meter: Meter): Act {
  return {
    name: "Edit",
    of: meter.displayName,
    title: "Edit the meter",
    scope: "meters:write",
    confirm: "Save",
    says: <p>Invoices that are made from now on say it so.</p>,
    fields: [
      {
        name: "displayName",
        label: "Name on invoices",
        kind: "text",
        required: true,
        initial: meter.displayName,
      },
      { name: "unit", label: "Unit", kind: "text", required: true, initial: meter.unit },
    ],
    perform: ({ displayName, unit }, send) => send("PATCH", pathOf(meter.id), { displayName, unit }),
    done: "The meter is changed.",
  };
}

/** The customer whose own price it is. */
interface PriceOwner {
  readonly customerId: string;
  readonly name: string;
}

/** Sets a meter's price, for everybody or for one customer. */
export function setPrice(meter: Meter, { currency, timeZone }: MoneyAndTime, owner?: PriceOwner): Act {
  const whom = owner === undefined ? "everybody without a price of its own" : visible(owner.name);
  return {
    name: owner === undefined ? "Set price" : "Set own price",
    of: meter.displayName,
    title: `Set the price of ${visible(meter.displayName)}`,
    scope: "meters:write",
    confirm: "Set the price",
    says: (
      <p>
        For {whom}. A whole period has one price. Invoices that are made stay as they are; of a period that is
        not invoiced, this may change what it costs.
      </p>
    ),
    fields: [...priceFields(currency, meter.price), fromField(timeZone)],
    perform: async (values, send) =>
      send("POST", `${pathOf(meter.id)}/prices`, {
        price: priceOf(values),
        effectiveFrom: await effectiveFrom(values, send),
        ...(owner === undefined ? {} : { customerId: owner.customerId }),
      }),
    done: "The price is set.",
  };
}

/** Ends a customer's own price. */
export function endOwnPrice(meter: Meter, { timeZone }: MoneyAndTime, owner: PriceOwner): Act | false {
  if (meter.ownPrice !== true) return false;
  return {
    name: "End own price",
    of: meter.displayName,
    title: `End the own price of ${visible(owner.name)}`,
    scope: "meters:write",
    confirm: "End the own price",
    grave: true,
    says: <p>It pays for {visible(meter.displayName)} what everybody pays.</p>,
    fields: [fromField(timeZone)],
    perform: async (values, send) =>
      send("POST", `${pathOf(meter.id)}/prices`, {
        price: null,
        effectiveFrom: await effectiveFrom(values, send),
        customerId: owner.customerId,
      }),
    done: "The own price ends.",
  };
}
