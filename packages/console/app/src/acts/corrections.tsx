import type { Agent, UsageEvent } from "@licentric/contract";
import { whole } from "../format.ts";
import { visible } from "../text.ts";
import { AgentName, MeterName } from "../ui/names.tsx";
import type { Act, Field } from "./act.ts";

const REASON: Field = {
  name: "reason",
  label: "Reason",
  kind: "text",
  required: true,
  hint: "Kept with the correction, for whoever asks later.",
};

/** Corrects an agent's usage of a meter. */
export function adjustUsage(agent: Agent): Act {
  return {
    name: "Correct usage",
    title: `Correct the usage of ${visible(agent.name)}`,
    scope: "billing:write",
    confirm: "Correct it",
    says: (
      <p>
        What was recorded stays, and the correction stands beside it on the invoice. It cannot be taken back,
        only corrected again. What it takes away beyond the usage counts in the next period.
      </p>
    ),
    fields: [
      { name: "meter", label: "Meter", kind: "meter", required: true },
      {
        name: "direction",
        label: "Correction",
        kind: "choice",
        options: [
          ["away", "Take units away"],
          ["add", "Add units"],
        ],
      },
      { name: "quantity", label: "Units", kind: "whole", least: 1, required: true },
      REASON,
      {
        name: "periodId",
        label: "Counts in",
        kind: "period",
        options: [["", "The period that takes usage now"]],
      },
      {
        name: "payer",
        label: "Billed to",
        kind: "customer",
        options: [
          ["", "Whoever pays for the agent now"],
          ["own", "Your account"],
        ],
      },
    ],
    perform: ({ meter, direction, quantity, reason, periodId, payer }, send) =>
      send("POST", "/api/v1/billing/adjustments", {
        agentId: agent.id,
        meterName: meter,
        quantity: Number(quantity) * (direction === "away" ? -1 : 1),
        reason,
        ...(periodId ? { periodId } : {}),
        ...(payer ? { customerId: payer === "own" ? null : payer } : {}),
      }),
    done: "The usage is corrected.",
  };
}

/** Takes back one event. */
export function refundEvent(event: UsageEvent): Act {
  return {
    name: "Refund",
    of: `${whole(event.quantity)} of ${event.meterName}`,
    title: "Refund this event",
    scope: "billing:write",
    confirm: "Refund it",
    says: (
      <>
        <p>
          Takes back <strong>{whole(event.quantity)}</strong> of <MeterName name={event.meterName} /> that{" "}
          <AgentName id={event.agentId} /> used. The event itself stays.
        </p>
        <p>
          It counts in the event's own period while that is open, else in the one that takes usage now. An
          event is refunded once at most.
        </p>
      </>
    ),
    fields: [REASON],
    perform: ({ reason }, send) =>
      send("POST", `/api/v1/usage/events/${encodeURIComponent(event.id)}/refund`, { reason }),
    done: "The event is refunded.",
  };
}
