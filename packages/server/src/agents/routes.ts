import { routes } from "@licentric/contract";
import { onChange, onRoute, type RouteRegistration } from "../http/on-route.ts";
import { createAgent, getAgent, listAgents } from "./agents.ts";
import { authorizeAgent } from "./credentials.ts";

/** Agents and their credentials. */
export const agentRoutes: RouteRegistration[] = [
  onChange(routes.agents.create, ({ caller, body, now }, tx, { newId }) =>
    createAgent(tx, caller.environmentId, body, { newId, now }),
  ),
  onRoute(routes.agents.list, ({ caller, query }, { db }) => listAgents(db, caller.environmentId, query)),
  onRoute(routes.agents.get, ({ caller, params }, { db }) =>
    getAgent(db, caller.environmentId, params.agentId),
  ),
  onChange(routes.mcp.authorize, ({ caller, body, now }, tx, { newId, randomBytes }) =>
    authorizeAgent(tx, caller.environmentId, body, { newId, now, randomBytes }),
  ),
];
