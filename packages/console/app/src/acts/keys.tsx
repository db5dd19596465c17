import type { CONSOLE_ROLES, KeyScope, ManagementKey } from "@licentric/contract";
import { may, type Session } from "../session.ts";
import { visible } from "../text.ts";
import type { Act, Field, Option, Values } from "./act.ts";

const SCOPES: Readonly<Record<KeyScope, string>> = {
  "account:read": "Read the account",
  "account:write": "Change the account",
  "agents:read": "Read agents",
  "agents:write": "Change agents, and issue tokens",
  "audit:read": "Read the audit log",
  "billing:read": "Read periods and invoices",
  "billing:write": "Close periods, invoice and correct",
  "budgets:read": "Read budgets",
  "budgets:write": "Change budgets",
  "customers:read": "Read customers",
  "customers:write": "Change customers",
  "keys:read": "Read keys",
  "keys:write": "Make and revoke keys",
  "meters:read": "Read meters and prices",
  "meters:write": "Change meters and prices",
  "usage:read": "Read usage",
  "usage:write": "Record usage",
  "webhooks:read": "Read webhooks",
  "webhooks:write": "Change webhooks",
};

const NAMES = Object.keys(SCOPES) as KeyScope[];

/** The scopes of the role `finance`, as the contract has them. */
const FINANCE: (typeof CONSOLE_ROLES)["finance"] = [
  "account:read",
  "agents:read",
  "billing:read",
  "billing:write",
  "customers:read",
  "customers:write",
  "meters:read",
  "usage:read",
];

const READ = NAMES.filter((name) => name.endsWith(":read"));

/** The choices of what a key may do: nothing that the session's own may not. */
function rolesOf(session: Session): readonly Option[] {
  const roles: readonly (readonly [Option, readonly KeyScope[] | null])[] = [
    [["finance", "Finance: customers and invoices"], FINANCE],
    [["read", "Read everything"], READ],
    [["chosen", "What is chosen below"], []],
    [["full", "Everything, keys included"], null],
  ];
  return roles
    .filter(([, scopes]) =>
      scopes === null ? session.scopes === null : scopes.every((one) => may(session, one)),
    )
    .map(([option]) => option);
}

function scopesOf(values: Values): readonly KeyScope[] | undefined {
  switch (values["role"]) {
    case "full":
      return undefined;
    case "finance":
      return FINANCE;
    case "read":
      return READ;
    default:
      return NAMES.filter((name) => values[name] === "on");
  }
}

/** Makes a management key. */
export function createKey(session: Session): Act<{ data: { readonly key: string } }> {
  return {
    name: "Create key",
    title: `Create a key for ${session.mode} data`,
    scope: "keys:write",
    says: (
      <p>
        Whoever has it does what you allow here, until you revoke it. It does not end by itself. It is shown
        once.
      </p>
    ),
    fields: [
      { name: "name", label: "Name", kind: "text", required: true, hint: "Who or what uses it." },
      { name: "role", label: "It may", kind: "choice", options: rolesOf(session) },
      ...NAMES.filter((name) => may(session, name)).map(
        (name): Field => ({
          name,
          label: SCOPES[name],
          kind: "check",
          when: ({ role }) => role === "chosen",
        }),
      ),
    ],
    perform: (values, send) =>
      send("POST", "/api/v1/keys", { name: values["name"], scopes: scopesOf(values) }),
    done: "The key is made.",
    secret: ({ data }) => data.key,
  };
}

/** Revokes a management key. */
export function revokeKey(key: ManagementKey, session: Session): Act | false {
  const ended = key.expiresAt !== null && Date.parse(key.expiresAt) <= Date.now();
  if (key.revokedAt !== null || ended) return false;
  const name = key.name === null ? `the key that ends in ${key.hint}` : key.name;
  return {
    name: "Revoke",
    of: name,
    title: `Revoke ${visible(name)}`,
    scope: "keys:write",
    grave: true,
    says: (
      <p>
        {key.id === session.id
          ? "It is this console's own key: you are signed out at once."
          : `It ends in ${visible(key.hint)}. Whatever uses it is refused from now on, and it cannot be used again.`}
      </p>
    ),
    perform: (_, send) => send("POST", `/api/v1/keys/${encodeURIComponent(key.id)}/revoke`),
    done: "The key is revoked.",
  };
}
