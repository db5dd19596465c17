import { isRecord, property, RefusedError, stringProperty } from "@licentric/paywall/adapter";
import { invalidParams } from "../protocol/invalid-params.ts";
import { RefusedRequestError } from "../protocol/refusal-result.ts";
import type { Agent } from "../protocol/task-owners.ts";
import type { RequestHandler } from "./request-handler.ts";
import type { ServerPlan } from "./server-plan.ts";

/** The requests about tasks that a client can send: of protocol 2025-11-25, and of the extension that took their place. */
const TASK_METHODS = ["tasks/get", "tasks/result", "tasks/cancel", "tasks/list", "tasks/update"];

/** Returns whether a request is about tasks. */
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
    const all = property(listed, "tasks");
    if (!isRecord(listed) || !Array.isArray(all)) return listed;
    const idOf = (task: unknown) => property(task, "taskId");
    if (all.every((task) => tasks.isEverybodys(idOf(task)))) return listed;
    const caller = await identified(identify(context)).catch((error: unknown) => {
      if (error instanceof RefusedRequestError && error.data.status === 401) return undefined;
      throw error;
    });
    const isSeen = (taskId: unknown) =>
      tasks.isEverybodys(taskId) || (caller !== undefined && tasks.isOf(taskId, caller));
    return { ...listed, tasks: all.filter((task) => isSeen(idOf(task))) };
  };
}

function guardOne(run: RequestHandler, { tasks, identify }: ServerPlan): RequestHandler {
  return async (request, context) => {
    const taskId = stringProperty(property(request, "params"), "taskId");
    if (taskId === undefined) throw invalidParams("a request about a task needs its taskId, a string");
    if (!tasks.isEverybodys(taskId) && !tasks.isOf(taskId, await identified(identify(context))))
      throw invalidParams(`Task not found: ${taskId}`);
    return run(request, context);
  };
}

/** @throws RefusedRequestError where it cannot be said who calls */
async function identified(identifying: Promise<Agent>): Promise<Agent> {
  try {
    return await identifying;
  } catch (error) {
    throw error instanceof RefusedError ? new RefusedRequestError(error.refusal) : error;
  }
}
