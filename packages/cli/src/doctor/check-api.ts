import {
  AuthenticationError,
  ConnectionError,
  Licentric,
  LicentricError,
  PermissionDeniedError,
} from "@licentric/sdk";
import { isLoopback } from "../is-loopback.ts";
import type { Check } from "./check.ts";
import { askReadiness } from "./readiness.ts";

/** Seconds by which the clocks may differ: beyond it, usage events and webhooks are refused. */
const MOST_SKEW = 300;
const NOTABLE_SKEW = 30;
const SET_CLOCK = "Set the clock by NTP (`timedatectl set-ntp true`).";

/**
 * Checks by one request that the API that the environment names answers, accepts the key, and has the same
 * time as this machine.
 */
export async function checkApi(env: NodeJS.ProcessEnv): Promise<Check[]> {
  const hasKey = Boolean(env["LICENTRIC_API_KEY"]);
  const started = Date.now();
  try {
    await using client = hasKey ? new Licentric() : new Licentric({ apiKey: null });
    const asked = await ask(client, hasKey);
    const now = (started + Date.now()) / 2;
    return [
      await checkReachability(client.baseUrl, asked),
      hasKey ? checkKey(env, asked) : NO_KEY,
      checkClock(
        isFromApi(asked) ? asked.headers : undefined,
        now,
        (await askReadiness(client.baseUrl)).clockSkew,
      ),
    ];
  } catch (error) {
    // The key or the URL cannot be right: the client says so before it asks.
    if (!(error instanceof LicentricError)) throw error;
    const name = error instanceof AuthenticationError ? "key" : "reachability";
    return [{ name, status: "failed", message: error.message, advice: FIRST_STEPS }];
  }
}

const FIRST_STEPS =
  "`licentric dev` writes LICENTRIC_API_KEY and LICENTRIC_BASE_URL to .licentric/env, which commands in that folder read.";

const NO_KEY: Check = {
  name: "key",
  status: "failed",
  message: "LICENTRIC_API_KEY is not set.",
  advice: "`licentric keys create` makes a key. An MCP server's calls need none: they bring agents' tokens.",
};

/** The outcome of the request: a response's headers, the error if it failed, or neither. */
interface Asked {
  readonly headers: Headers | undefined;
  readonly error: LicentricError | undefined;
}

/**
 * Returns true where the API itself answered, if only to refuse: a proxy's page says nothing of a key or a
 * clock.
 */
function isFromApi({ error }: Asked): boolean {
  return error === undefined || error.answeredByApi;
}

async function ask(client: Licentric, hasKey: boolean): Promise<Asked> {
  const options = { maxRetries: 0, timeout: 10_000 };
  try {
    // Without a key, a token that nobody has: the API's refusal is an answer, too.
    const { headers } = hasKey
      ? await client.billing.listPeriods({ limit: 1 }, options).withResponse()
      : await client.mcp.verify("AGT-licentric-doctor", {}, options).withResponse();
    return { headers, error: undefined };
  } catch (error) {
    if (error instanceof LicentricError) return { headers: error.headers, error };
    throw error;
  }
}

async function checkReachability(baseUrl: string, asked: Asked): Promise<Check> {
  const name = "reachability";
  const { error, headers } = asked;
  if (error instanceof ConnectionError) {
    return {
      name,
      status: "failed",
      message: error.message,
      advice: `Start the API (\`licentric dev\`), or set LICENTRIC_BASE_URL, which names ${baseUrl} now.`,
    };
  }
  if (error?.status !== undefined && !isFromApi(asked)) {
    return {
      name,
      status: "failed",
      message: `${baseUrl} answers ${error.status}, and not as the API does: ${error.message}`,
      advice:
        "Check that LICENTRIC_BASE_URL is the origin of a Licentric API, and look at the proxy, firewall or sign-in page before it.",
    };
  }
  const refused = error instanceof AuthenticationError || error instanceof PermissionDeniedError;
  if (error !== undefined && !refused) {
    return {
      name,
      status: "failed",
      message: `${baseUrl} answers, and not as the API does: ${error.message}`,
      advice: "Look at the server's log, and check that LICENTRIC_BASE_URL is the origin of a Licentric API.",
    };
  }
  if (baseUrl.startsWith("http:") && !isLoopback(baseUrl)) {
    return {
      name,
      status: "warning",
      message: `${baseUrl} answers without encryption: keys and tokens can be read on the way.`,
      advice: "Put a proxy with TLS in front of the API and use its https:// URL.",
    };
  }
  const own = headers?.get("licentric-durable") === "true" ? ", self-hosted" : "";
  return { name, status: "ok", message: `${baseUrl} answers${own}.` };
}

function checkKey(env: NodeJS.ProcessEnv, asked: Asked): Check {
  const name = "key";
  const { error } = asked;
  if (!isFromApi(asked)) return { name, status: "skipped", message: "Not known: the API did not answer." };
  if (error instanceof AuthenticationError) {
    return {
      name,
      status: "failed",
      message: `The API does not take LICENTRIC_API_KEY: ${error.message}`,
      advice:
        "Make a new one with `licentric keys create`, and check that LICENTRIC_BASE_URL is the API that made it.",
    };
  }
  if (error instanceof PermissionDeniedError) {
    return { name, status: "ok", message: "The key is taken. It has scopes, without billing:read." };
  }
  if (error !== undefined) return { name, status: "skipped", message: "Not known: the API did not answer." };
  const live = env["LICENTRIC_API_KEY"]?.startsWith("lk_live_");
  return { name, status: "ok", message: `The key is taken, and is for ${live ? "live" : "test"} data.` };
}

function checkClock(headers: Headers | undefined, now: number, ofDatabase: number | undefined): Check {
  const name = "clock";
  if (ofDatabase !== undefined && Math.abs(ofDatabase) > MOST_SKEW * 1_000) {
    const off = `${Math.round(Math.abs(ofDatabase) / 1_000)} s ${ofDatabase < 0 ? "behind" : "ahead of"}`;
    const message = `The API's clock is ${off} its database's: it closes no period by itself, and usage goes by the wrong time.`;
    return {
      name,
      status: "failed",
      message,
      advice: `${SET_CLOCK} On the machine of either, where it is wrong.`,
    };
  }
  const theirs = Date.parse(headers?.get("date") ?? "");
  if (Number.isNaN(theirs)) return { name, status: "skipped", message: "Not known: no answer had a time." };
  // The header has whole seconds, cut off.
  const skew = Math.round((now - (theirs + 500)) / 1_000);
  const difference = `This machine's clock is ${Math.abs(skew)} s ${skew < 0 ? "behind" : "ahead of"} the API's.`;
  const advice = SET_CLOCK;
  if (Math.abs(skew) > MOST_SKEW) {
    const message = `${difference} From ${MOST_SKEW} s on, usage and webhooks are refused.`;
    return { name, status: "failed", message, advice };
  }
  if (Math.abs(skew) > NOTABLE_SKEW) return { name, status: "warning", message: difference, advice };
  return { name, status: "ok", message: "This machine and the API have the same time." };
}
