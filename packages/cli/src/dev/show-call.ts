import type { AnsweredCall } from "@licentric/server";
import { styled, visible } from "../terminal/style.ts";

/** One line about an agent's call. */
export function callLine(call: AnsweredCall): string {
  const time = styled("dim", call.at.toTimeString().slice(0, 8));
  const took = styled("dim", `${Math.round(call.duration)} ms`);
  return `  ${time}  ${outcome(call)}  ${took}\n`;
}

function outcome({ error, event, operation, agentId, status }: AnsweredCall): string {
  const agent = agentId === undefined ? "" : `  agent ${agentId}`;
  if (error) return `${styled("red", "refused")}  ${status} ${error.code}  ${visible(error.message)}`;
  if (event?.duplicate)
    return `${styled("yellow", "repeated")}  ${event.quantity} ${event.meterName}${agent}`;
  if (event) return `${styled("green", "charged")}  ${event.quantity} ${event.meterName}${agent}`;
  return `${WITHOUT_EVENT[operation]}${agent}`;
}

const WITHOUT_EVENT: Readonly<Record<AnsweredCall["operation"], string>> = {
  verify: "verified",
  reserve: "reserved",
  commit: "committed",
  release: "released",
};
