import { routes } from "@licentric/contract";
import { onChange, onRoute, type RouteRegistration } from "../http/on-route.ts";
import { pageRequest } from "../http/page.ts";
import { createAgent, deleteAgent, getAgent, listAgents, updateAgent } from "./agents.ts";
import { authorizeAgent, listCredentials, revokeCredential, rotateCredential } from "./credentials.ts";

/** Agents and their credentials. */
export const agentRoutes: RouteRegistration[] = [
  onChange(routes.agents.create, ({ caller, body, now }, tx, { newId }) =>
    createAgent(tx, caller.environmentId, body, { newId, now }),
  ),
  onRoute(routes.agents.list, ({ caller, query }, { db }) => listAgents(db, caller.environmentId, query)),
  onRoute(routes.agents.get, ({ caller, params }, { db }) =>
    getAgent(db, caller.environmentId, params.agentId),
  ),
  onChange(routes.agents.update, ({ caller, params, body, now }, tx) =>
    updateAgent(tx, caller.environmentId, params.agentId, body, now),
  ),
  onChange(routes.agents.delete, ({ caller, params, now }, tx) =>
    deleteAgent(tx, caller.environmentId, params.agentId, now),
  ),
  onRoute(routes.credentials.list, ({ caller, params, query, now }, { db }) =>
    listCredentials(db, caller.environmentId, params.agentId, pageRequest(query), now),
  ),
  onChange(routes.credentials.revoke, ({ caller, params, now }, tx) =>
    revokeCredential(tx, caller.environmentId, params.credentialId, now),
  ),
  onChange(routes.credentials.rotate, ({ caller, params, body, now }, tx, { newId, randomBytes }) =>
    rotateCredential(tx, caller.environmentId, params.credentialId, body, { newId, now, randomBytes }),
  ),
  onChange(routes.mcp.authorize, ({ caller, body, now }, tx, { newId, randomBytes }) =>
    authorizeAgent(tx, caller.environmentId, body, { newId, now, randomBytes }),
  ),
];
