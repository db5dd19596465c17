import type { ServedKind } from "../handler/request-scope.ts";
import type { BuiltIn } from "./registered.ts";
import { normalForm } from "./resource-charges.ts";
import type { ServerPlan } from "./server-plan.ts";

/**
 * Tells the owner of names in the options that are nothing of the server's, such as a misspelled one: the thing that was
 * meant goes by `default` then. By the time of a first request everything is registered, as a rule.
 *
 * @param listed - names that the server has besides those that are registered
 */
export function warnOfUnknownNames(
  plan: ServerPlan,
  builtIn: BuiltIn | undefined,
  kind: ServedKind,
  listed: readonly string[] = [],
): void {
  const wanted = plan.names[kind];
  if (wanted.length === 0) return;
  const registered = builtIn?.names(kind) ?? [];
  // What has nothing registered is served by handlers of the owner's own, who alone know its names.
  if (registered.length === 0 && listed.length === 0) return;
  const forms = new Set([...registered.flat(), ...listed].map(formOf(kind)));
  for (const name of wanted) {
    if (forms.has(formOf(kind)(name)) || builtIn?.find(kind, name) !== undefined) continue;
    const has = [...new Set([...registered.flatMap(([first]) => first ?? []), ...listed])];
    plan.warn(
      `${plan.where}: ${kind}s.${name} is the name of no ${kind} of this server, so its price holds for nothing; the server has ${shown(has)}. What has no price goes by \`default\`.`,
    );
  }
}

const formOf = (kind: ServedKind) => (name: string) => (kind === "resource" ? normalForm(name) : name);

/** Most names that are shown. */
const SHOWN = 20;

function shown(names: readonly string[]): string {
  const quoted = names.slice(0, SHOWN).map((name) => `"${name}"`);
  return `${quoted.join(", ")}${names.length > SHOWN ? " and more" : ""}`;
}
