import { redactSecret } from "@licentric/contract";

/**
 * A secret that the API shows once. Whatever prints, inspects, serialises, spreads or joins it shows the
 * shortened form only (`lk_test_…c3d4`); the text itself is read on purpose, with {@link Secret.reveal}.
 *
 * @example
 * ```ts
 * const created = await client.keys.create({ name: "deploy" });
 * `${created.key}`; // "lk_test_…c3d4"
 * await vault.put("LICENTRIC_API_KEY", created.key.reveal());
 * ```
 */
export class Secret {
  // A private name is not a property: inspect, JSON, spreading and Object.keys cannot see it.
  readonly #text: string;

  /** @param text - the secret itself */
  constructor(text: string) {
    this.#text = text;
  }

  /** The secret itself. Hand it to whoever needs it, and let no log see it. */
  reveal(): string {
    return this.#text;
  }

  /** The shortened form. */
  toString(): string {
    return redactSecret(this.#text);
  }

  /** The shortened form. */
  toJSON(): string {
    return this.toString();
  }

  /** The shortened form, for `console.log` and `util.inspect`. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return `${this.constructor.name}(${this.toString()})`;
  }
}

/**
 * An agent's token (`AGT-…`), as `mcp.authorize` answers it. Every call that takes a token takes this object or
 * the text.
 *
 * @example
 * ```ts
 * const { token } = await client.mcp.authorize("agt_1", { scopes: ["mcp:invoke"] });
 * await client.mcp.verify(token);
 * ```
 */
export class AgentToken extends Secret {}

/**
 * The text of a secret, however it was handed over, and nothing where it is something else. A program may have this
 * package twice, as a module and as CommonJS: the other one's secrets are known by what they can do.
 */
export function secretText(secret: unknown): string {
  if (typeof secret === "string") return secret;
  const reveals = typeof secret === "object" && secret !== null && "reveal" in secret;
  const text: unknown = reveals && typeof secret.reveal === "function" ? secret.reveal() : undefined;
  return typeof text === "string" ? text : "";
}

/** An answer with its token turned into an object that does not print itself. */
export const withAgentToken = <Answer extends { token: string }>(
  answer: Answer,
): Omit<Answer, "token"> & { readonly token: AgentToken } => ({
  ...answer,
  token: new AgentToken(answer.token),
});
