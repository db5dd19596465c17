import type { Gate } from "../charging/gate.ts";
import { isRecord, member } from "../util/record.ts";

/** The methods whose handlers an `McpServer` installs by itself, with the names of what it keeps for them. */
export const REGISTRIES = [
  {
    kind: "tool",
    registry: "_registeredTools",
    install: "setToolRequestHandlers",
    initialized: "_toolHandlersInitialized",
  },
  {
    kind: "prompt",
    registry: "_registeredPrompts",
    install: "setPromptRequestHandlers",
    initialized: "_promptHandlersInitialized",
  },
  {
    kind: "resource",
    registry: "_registeredResources",
    install: "setResourceRequestHandlers",
    initialized: "_resourceHandlersInitialized",
  },
  {
    kind: "resource",
    registry: "_registeredResourceTemplates",
    install: "setResourceRequestHandlers",
    initialized: "_resourceHandlersInitialized",
  },
] as const;

/** What an `McpServer` finds for a name: a tool or a prompt, or a resource by its URI, else the template that fits it. */
export function findRegistered(
  server: object,
  kind: Gate["kind"],
  asked: string,
): Record<PropertyKey, unknown> | undefined {
  const uri = kind === "resource" && URL.canParse(asked) ? new URL(asked).href : asked;
  for (const known of REGISTRIES) {
    const entries = known.kind === kind ? member(server, known.registry) : undefined;
    if (!isRecord(entries)) continue;
    const fits = ([key, entry]: [string, unknown]) => {
      const template = member(member(entry, "resourceTemplate"), "uriTemplate");
      const match = member(template, "match");
      return typeof match === "function" ? Boolean(Reflect.apply(match, template, [uri])) : key === uri;
    };
    const entry = Object.entries(entries).find(fits)?.[1];
    if (isRecord(entry)) return entry;
  }
  return undefined;
}
