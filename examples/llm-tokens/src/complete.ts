import { z } from "zod";

/** Answer of a model, and its cost in tokens. */
export interface Completion {
  readonly text: string;
  readonly tokens: number;
}

const Answer = z.object({
  choices: z.array(z.object({ message: z.object({ content: z.string() }) })).min(1),
  usage: z.object({ total_tokens: z.int().nonnegative() }),
});

/** Asks any service that speaks OpenAI's chat completions. Throws where it answers no completion. */
export async function complete(prompt: string, maxTokens: number, signal: AbortSignal): Promise<Completion> {
  const { OPENAI_BASE_URL: baseUrl, OPENAI_API_KEY: key, OPENAI_MODEL: model } = process.env;
  const response = await fetch(`${baseUrl ?? "https://api.openai.com/v1"}/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${key ?? ""}` },
    body: JSON.stringify({
      model: model ?? "gpt-4o-mini",
      max_completion_tokens: maxTokens,
      messages: [{ role: "user", content: prompt }],
    }),
    signal,
  });
  if (!response.ok) throw new Error(`The model is not available (${response.status}).`);
  const { choices, usage } = Answer.parse(await response.json());
  return { text: choices.map(({ message }) => message.content).join(""), tokens: usage.total_tokens };
}
