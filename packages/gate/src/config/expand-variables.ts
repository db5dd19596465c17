import type { GateConfig } from "./gate-config.ts";
import { GateConfigError } from "./parse-config.ts";

type Upstream = NonNullable<GateConfig["upstream"]>;

/**
 * Puts variables in the place of `${NAME}` in an upstream's headers and environment, so that no secret stands in the file.
 *
 * @throws GateConfigError where a variable is not set, or a header cannot have its value
 */
export function expandVariables(upstream: Upstream, env: NodeJS.ProcessEnv): Upstream {
  if ("url" in upstream)
    return upstream.headers === undefined
      ? upstream
      : { ...upstream, headers: sendable(expanded(upstream.headers, "headers", env)) };
  return upstream.env === undefined ? upstream : { ...upstream, env: expanded(upstream.env, "env", env) };
}

function expanded(
  texts: Readonly<Record<string, string>>,
  property: string,
  env: NodeJS.ProcessEnv,
): Record<string, string> {
  const expand = (name: string, text: string) =>
    text.replace(/\$\{(\w+)\}/g, (_, variable: string) => {
      const value = env[variable];
      if (value !== undefined) return value;
      throw new GateConfigError(`upstream.${property}.${name}: the variable ${variable} is not set.`);
    });
  return Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, expand(name, text)]));
}

/** Checks the headers here: of a request that cannot be sent nobody would say why. */
function sendable(headers: Record<string, string>): Record<string, string> {
  const wrong = Object.entries(headers).find(([, value]) => !/^[\t\u0020-\u007e\u0080-\u00ff]*$/.test(value));
  if (wrong === undefined) return headers;
  throw new GateConfigError(
    `upstream.headers.${wrong[0]}: its value has a character that no header can have, such as a newline at its end.`,
  );
}
