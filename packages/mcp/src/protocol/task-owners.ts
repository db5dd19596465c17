import { agentNameOf, type Caller, property, stringProperty } from "@licentric/paywall/adapter";

/** An agent that a task can belong to. */
export type Agent = Pick<Caller, "accountId" | "agentId">;

/** The owners of tasks. A task that is not known is nobody's: it may have been paid for. */
export interface TaskOwners {
  /** Remembers the task that a result starts, if it does, as this caller's; as everybody's where its tool is free. */
  remember(result: unknown, owner: Agent | "everybody"): void;
  isEverybodys(taskId: unknown): boolean;
  isOf(taskId: unknown, agent: Agent): boolean;
  /** Returns the owners of tasks whose ids are unique in a scope alone: those of one scope are not known in another. */
  within(scope: string): TaskOwners;
}

/** The number of tasks that are remembered, in all and of one owner: the oldest are forgotten. */
const TOTAL = 100_000;
const PER_OWNER = 10_000;

const EVERYBODY = "";

/** Makes an empty memory. No agent can have another one's tasks forgotten but by filling it up alone. */
export function createTaskOwners(): TaskOwners {
  const owners = new Map<string, string>();
  const tasks = new Map<string, Set<string>>();
  function forget(key: string | undefined): void {
    const owner = key === undefined ? undefined : owners.get(key);
    if (key === undefined || owner === undefined) return;
    owners.delete(key);
    const left = tasks.get(owner);
    left?.delete(key);
    if (left?.size === 0) tasks.delete(owner);
  }
  function ownersIn(scope: string | undefined): TaskOwners {
    // Quoted, a scope ends where it does, whatever stands behind it.
    const prefix = scope === undefined ? "" : JSON.stringify(scope);
    const keyOf = (taskId: string) => `${prefix}:${taskId}`;
    const ownerOf = (taskId: unknown) => (typeof taskId === "string" ? owners.get(keyOf(taskId)) : undefined);
    return {
      remember(result, owner) {
        const task = property(result, "resultType") === "task" ? result : property(result, "task");
        const taskId = stringProperty(task, "taskId");
        // The first owner stays: a result that is given once more has started nothing.
        if (taskId === undefined || ownerOf(taskId) !== undefined) return;
        const [key, name] = [keyOf(taskId), owner === "everybody" ? EVERYBODY : agentNameOf(owner)];
        const own = tasks.get(name) ?? new Set();
        tasks.set(name, own.add(key));
        owners.set(key, name);
        if (own.size > PER_OWNER) forget(first(own));
        if (owners.size > TOTAL) forget(first(owners.keys()));
      },
      isEverybodys: (taskId) => ownerOf(taskId) === EVERYBODY,
      isOf: (taskId, agent) => ownerOf(taskId) === agentNameOf(agent),
      within: ownersIn,
    };
  }
  return ownersIn(undefined);
}

function first(values: Iterable<string>): string | undefined {
  for (const value of values) return value;
  return undefined;
}
