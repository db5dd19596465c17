import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  type RouteComponent,
} from "@tanstack/react-router";
import { Layout } from "./layout.tsx";
import { Lost, NotFound } from "./ui/lost.tsx";
import { type PageSearch, pageSearch } from "./ui/table.tsx";

const root = createRootRoute({ component: Layout, notFoundComponent: NotFound, errorComponent: Lost });

const parent = () => root;

const text = (value: unknown) => (typeof value === "string" && value !== "" ? value : undefined);

interface AgentSearch extends PageSearch {
  readonly status?: "active" | "suspended";
}

interface EventSearch extends PageSearch {
  readonly meterName?: string;
  readonly agentId?: string;
  readonly customerId?: string;
}

const page = (load: () => Promise<{ default: RouteComponent }>) => lazyRouteComponent(load);

const overview = createRoute({
  getParentRoute: parent,
  path: "/",
  component: page(() => import("./pages/overview.tsx")),
});
const customers = createRoute({
  getParentRoute: parent,
  path: "/customers",
  validateSearch: pageSearch,
  component: page(() => import("./pages/customers.tsx")),
});
const customer = createRoute({
  getParentRoute: parent,
  path: "/customers/$customerId",
  component: page(() => import("./pages/customer.tsx")),
});
const agents = createRoute({
  getParentRoute: parent,
  path: "/agents",
  validateSearch: (search: Record<string, unknown>): AgentSearch => ({
    ...pageSearch(search),
    status: search["status"] === "active" || search["status"] === "suspended" ? search["status"] : undefined,
  }),
  component: page(() => import("./pages/agents.tsx")),
});
const agent = createRoute({
  getParentRoute: parent,
  path: "/agents/$agentId",
  component: page(() => import("./pages/agent.tsx")),
});
const meters = createRoute({
  getParentRoute: parent,
  path: "/meters",
  validateSearch: pageSearch,
  component: page(() => import("./pages/meters.tsx")),
});
const meter = createRoute({
  getParentRoute: parent,
  path: "/meters/$meterId",
  component: page(() => import("./pages/meter.tsx")),
});
const events = createRoute({
  getParentRoute: parent,
  path: "/events",
  validateSearch: (search: Record<string, unknown>): EventSearch => ({
    ...pageSearch(search),
    meterName: text(search["meterName"]),
    agentId: text(search["agentId"]),
    customerId: text(search["customerId"]),
  }),
  component: page(() => import("./pages/events.tsx")),
});
const periods = createRoute({
  getParentRoute: parent,
  path: "/periods",
  validateSearch: pageSearch,
  component: page(() => import("./pages/periods.tsx")),
});
const period = createRoute({
  getParentRoute: parent,
  path: "/periods/$periodId",
  component: page(() => import("./pages/period.tsx")),
});
const invoices = createRoute({
  getParentRoute: parent,
  path: "/invoices",
  validateSearch: pageSearch,
  component: page(() => import("./pages/invoices.tsx")),
});
const invoice = createRoute({
  getParentRoute: parent,
  path: "/invoices/$invoiceId",
  component: page(() => import("./pages/invoice.tsx")),
});
const webhooks = createRoute({
  getParentRoute: parent,
  path: "/webhooks",
  component: page(() => import("./pages/webhooks.tsx")),
});
const webhook = createRoute({
  getParentRoute: parent,
  path: "/webhooks/$webhookId",
  validateSearch: pageSearch,
  component: page(() => import("./pages/webhook.tsx")),
});
const keys = createRoute({
  getParentRoute: parent,
  path: "/keys",
  validateSearch: pageSearch,
  component: page(() => import("./pages/keys.tsx")),
});
const audit = createRoute({
  getParentRoute: parent,
  path: "/audit",
  validateSearch: pageSearch,
  component: page(() => import("./pages/audit.tsx")),
});
const settings = createRoute({
  getParentRoute: parent,
  path: "/settings",
  component: page(() => import("./pages/settings.tsx")),
});
const health = createRoute({
  getParentRoute: parent,
  path: "/health",
  component: page(() => import("./pages/health.tsx")),
});

/** Every page of the console, by its address. */
export const router = createRouter({
  routeTree: root.addChildren([
    overview,
    customers,
    customer,
    agents,
    agent,
    meters,
    meter,
    events,
    periods,
    period,
    invoices,
    invoice,
    webhooks,
    webhook,
    keys,
    audit,
    settings,
    health,
  ]),
  basepath: "/console",
  defaultPreload: "intent",
  scrollRestoration: true,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
