import type { Refusal } from "../refusal/refusal.ts";
import { oauthErrorOf, refusalHeaders } from "../refusal/refusal-headers.ts";
import { WholeResponse } from "./whole-response.ts";

/** The JSON that a refused request is answered with. */
export interface RefusalBody {
  /** OAuth's word for the reason where it has one, else the refusal's code. */
  readonly error: string;
  readonly error_description: string;
  readonly refusal: Refusal;
}

/** Returns the JSON that a refused request is answered with. */
export function refusalBody(refusal: Refusal): RefusalBody {
  return { error: oauthErrorOf(refusal) ?? refusal.code, error_description: refusal.message, refusal };
}

/** Returns the response to a refused request: nobody may keep it. */
export function refusalResponse(refusal: Refusal): WholeResponse {
  const headers = {
    "content-type": "application/json",
    "cache-control": "no-store",
    ...refusalHeaders(refusal),
  };
  const body = new TextEncoder().encode(JSON.stringify(refusalBody(refusal)));
  return new WholeResponse(
    { status: refusal.status, statusText: "", headers: Object.entries(headers) },
    body,
  );
}
