import { agentNameOf, type Caller, isRecord, member, Refused, textMember } from "@licentric/paywall/adapter";
import { invalidParams } from "./invalid-params.ts";
import type { RequestHandler } from "./protect-requests.ts";
import { RefusedError } from "./refusal-result.ts";
import type { ServerPlan } from "./server-plan.ts";

/** The requests about tasks that a client can send (protocol 2025-11-25). */
const TASK_METHODS = ["tasks/get", "tasks/result", "tasks/cancel", "tasks/list"];

type Agent = Pick<Caller, "accountId" | "agentId">;

/** Whose tasks are whose. A task that is not known is nobody's: it may have been paid for. */
export interface TaskOwners {
  /** Notes the task that a result starts, if it does, as this caller's; as everybody's where its tool is free. */
  note(result: unknown, owner: Agent | "everybody"): void;
  isEverybodys(taskId: unknown): boolean;
  isOf(taskId: unknown, agent: Agent): boolean;
}

/** How many tasks are remembered, in all and of one owner: the oldest are forgotten. */
const TOTAL = 100_000;
const PER_OWNER = 10_000;

const EVERYBODY = "";

/** Makes an empty memory. No agent can have another one's tasks forgotten but by filling it up alone. */
export function createTaskOwners(): TaskOwners {
  const owners = new Map<string, string>();
  const tasks = new Map<string, Set<string>>();
  function forget(taskId: string | undefined): void {
    const owner = taskId === undefined ? undefined : owners.get(taskId);
    if (taskId === undefined || owner === undefined) return;
    owners.delete(taskId);
    const left = tasks.get(owner);
    left?.delete(taskId);
    if (left?.size === 0) tasks.delete(owner);
  }
  return {
    note(result, owner) {
      const taskId = textMember(member(result, "task"), "taskId");
      // The first owner stays: a result that is given once more has started nothing.
      if (taskId === undefined || owners.has(taskId)) return;
      const name = owner === "everybody" ? EVERYBODY : agentNameOf(owner);
      const own = tasks.get(name) ?? new Set();
      tasks.set(name, own.add(taskId));
      owners.set(taskId, name);
      if (own.size > PER_OWNER) forget(first(own));
      if (owners.size > TOTAL) forget(first(owners.keys()));
    },
    isEverybodys: (taskId) => typeof taskId === "string" && owners.get(taskId) === EVERYBODY,
    isOf: (taskId, agent) => typeof taskId === "string" && owners.get(taskId) === agentNameOf(agent),
  };
}

function first(values: Iterable<string>): string | undefined {
  for (const value of values) return value;
  return undefined;
}

/** Whether a request is about tasks. */
export function isTaskMethod(method: unknown): boolean {
  return typeof method === "string" && TASK_METHODS.includes(method);
}

/** Guards a request about tasks: an agent sees and ends its own, and those that are free. */
export function guardTasks(method: unknown, run: RequestHandler, plan: ServerPlan): RequestHandler {
  return method === "tasks/list" ? listOwn(run, plan) : guardOne(run, plan);
}

function listOwn(run: RequestHandler, { tasks, identify }: ServerPlan): RequestHandler {
  return async (request, context) => {
    const listed = await run(request, context);
    const all = member(listed, "tasks");
    if (!isRecord(listed) || !Array.isArray(all)) return listed;
    const idOf = (task: unknown) => member(task, "taskId");
    if (all.every((task) => tasks.isEverybodys(idOf(task)))) return listed;
    const caller = await identified(identify(context)).catch((error: unknown) => {
      if (error instanceof RefusedError && error.data.status === 401) return undefined;
      throw error;
    });
    const isSeen = (taskId: unknown) =>
      tasks.isEverybodys(taskId) || (caller !== undefined && tasks.isOf(taskId, caller));
    return { ...listed, tasks: all.filter((task) => isSeen(idOf(task))) };
  };
}

function guardOne(run: RequestHandler, { tasks, identify }: ServerPlan): RequestHandler {
  return async (request, context) => {
    const taskId = textMember(member(request, "params"), "taskId");
    if (taskId === undefined) throw invalidParams("a request about a task needs its taskId, a text");
    if (!tasks.isEverybodys(taskId) && !tasks.isOf(taskId, await identified(identify(context))))
      throw invalidParams(`Task not found: ${taskId}`);
    return run(request, context);
  };
}

/** @throws RefusedError where it cannot be said who calls */
async function identified(identifying: Promise<Agent>): Promise<Agent> {
  try {
    return await identifying;
  } catch (error) {
    throw error instanceof Refused ? new RefusedError(error.refusal) : error;
  }
}
