import type { Agent, Credential } from "@licentric/contract";
import { Link } from "@tanstack/react-router";
import { moment } from "../format.ts";
import { visible } from "../text.ts";
import type { Act, Field, Option } from "./act.ts";

const pathOf = (agentId: string) => `/api/v1/agents/${encodeURIComponent(agentId)}`;

const OWN: Option = ["", "Your account"];

const nameField = (initial?: string): Field => ({
  name: "name",
  label: "Name",
  kind: "text",
  required: true,
  initial,
});

const payerField = (initial: string | null): Field => ({
  name: "customerId",
  label: "Paid by",
  kind: "customer",
  options: [OWN],
  initial: initial ?? "",
});

/** Creates an agent, which may be a customer's. */
export function createAgent(customerId: string | null = null): Act<{ data: Agent }> {
  return {
    name: "Create agent",
    title: "Create an agent",
    scope: "agents:write",
    says: <p>It can call once it has a token, which you issue on its page.</p>,
    fields: [nameField(), payerField(customerId)],
    perform: ({ name, customerId: payer }, send) =>
      send("POST", "/api/v1/agents", { name, ...(payer ? { customerId: payer } : {}) }),
    done: ({ data }) => `${visible(data.name)} is created.`,
    outcome: ({ data }) => (
      <p>
        <Link to="/agents/$agentId" params={{ agentId: data.id }}>
          Issue its token
        </Link>
      </p>
    ),
  };
}

/** Changes an agent's name, and who pays for it from now on. */
export function editAgent({ id, name, customerId }: Agent): Act {
  return {
    name: "Edit",
    of: name,
    title: "Edit the agent",
    scope: "agents:write",
    confirm: "Save",
    says: <p>What it used until now stays with whoever paid for it then.</p>,
    fields: [nameField(name), payerField(customerId)],
    perform: ({ name: next, customerId: payer }, send) =>
      send("PATCH", pathOf(id), { name: next, customerId: payer || null }),
    done: "The agent is changed.",
  };
}

/** Suspends an agent, or lets one that is suspended call again. */
export function suspendAgent({ id, name, status }: Agent): Act {
  const shown = visible(name);
  if (status === "suspended") {
    return {
      name: "Activate",
      of: name,
      title: `Activate ${shown}`,
      scope: "agents:write",
      says: <p>Its tokens that have not ended are taken again, at once.</p>,
      perform: (_, send) => send("PATCH", pathOf(id), { status: "active" }),
      done: `${shown} is active.`,
    };
  }
  return {
    name: "Suspend",
    of: name,
    title: `Suspend ${shown}`,
    scope: "agents:write",
    grave: true,
    says: <p>All its tokens are refused at once, until you activate it again. What it used is billed.</p>,
    perform: (_, send) => send("PATCH", pathOf(id), { status: "suspended" }),
    done: `${shown} is suspended.`,
  };
}

/** A token that was issued, as far as it is shown. */
interface Issued {
  readonly data: { readonly token: string; readonly expiresAt: string };
}

const DAY = 86_400;

const LIFETIME: Field = {
  name: "expiresIn",
  label: "Ends after",
  kind: "choice",
  initial: String(30 * DAY),
  options: [
    ["3600", "1 hour"],
    [String(DAY), "1 day"],
    [String(7 * DAY), "7 days"],
    [String(30 * DAY), "30 days"],
    [String(90 * DAY), "90 days"],
  ],
};

const TOKEN_HINT = "Give it to the agent as its bearer token, by a way on which nobody else reads it.";

/** Issues an agent's token. */
export function issueToken(agent: Agent, timeZone: string): Act<Issued> {
  return {
    name: "Issue token",
    title: `Issue a token for ${visible(agent.name)}`,
    scope: "agents:write",
    says: <p>Whoever has it calls as this agent until it ends. It is shown once, after this.</p>,
    fields: [
      { name: "name", label: "Name", kind: "text", hint: "What it is for, to tell it from others." },
      {
        name: "scopes",
        label: "Scopes",
        kind: "text",
        required: true,
        initial: "mcp:invoke",
        hint: "What it may do, with spaces between them. Your server says which it asks for.",
      },
      LIFETIME,
    ],
    perform: ({ name, scopes = "", expiresIn }, send) =>
      send("POST", "/api/v1/mcp/authorize", {
        agentId: agent.id,
        scopes: scopes.split(/[\s,]+/).filter(Boolean),
        expiresIn: Number(expiresIn),
        ...(name ? { name } : {}),
      }),
    done: ({ data }) => `The token is issued. It ends ${moment(data.expiresAt, timeZone)}.`,
    secret: ({ data }) => data.token,
    outcome: () => <p className="muted">{TOKEN_HINT}</p>,
  };
}

const nameOf = ({ name, hint }: Credential) => name ?? `the token that ends in ${hint}`;

/** Issues a new token in place of one. */
export function rotateToken(token: Credential, timeZone: string): Act<Issued> | false {
  if (token.status !== "active") return false;
  return {
    name: "Rotate",
    of: nameOf(token),
    title: `Rotate ${visible(nameOf(token))}`,
    scope: "agents:write",
    says: <p>A new token with the same scopes takes its place. It is shown once, after this.</p>,
    fields: [
      {
        name: "overlap",
        label: "The old one is taken",
        kind: "choice",
        initial: "3600",
        options: [
          ["0", "No longer, from now on"],
          ["3600", "For one more hour"],
          [String(DAY), "For one more day"],
          [String(7 * DAY), "For 7 more days"],
        ],
      },
      { ...LIFETIME, label: "The new one ends after" },
    ],
    perform: ({ overlap, expiresIn }, send) =>
      send("POST", `/api/v1/credentials/${encodeURIComponent(token.id)}/rotate`, {
        overlap: Number(overlap),
        expiresIn: Number(expiresIn),
      }),
    done: ({ data }) => `The new token is issued. It ends ${moment(data.expiresAt, timeZone)}.`,
    secret: ({ data }) => data.token,
    outcome: () => <p className="muted">{TOKEN_HINT}</p>,
  };
}

/** Revokes an agent's token. */
export function revokeToken(token: Credential): Act | false {
  if (token.status !== "active") return false;
  return {
    name: "Revoke",
    of: nameOf(token),
    title: `Revoke ${visible(nameOf(token))}`,
    scope: "agents:write",
    grave: true,
    says: <p>It is refused from now on, and cannot be used again. What was used with it is billed.</p>,
    perform: (_, send) => send("POST", `/api/v1/credentials/${encodeURIComponent(token.id)}/revoke`),
    done: "The token is revoked.",
  };
}
