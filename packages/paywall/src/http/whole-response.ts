/** Most bytes of a body that is kept, so that the request is settled before it is answered and can be answered again. */
export const WHOLE_BODY_SIZE = 1_048_576;

/** A response whose body is known from beginning to end, so that it can be given again. */
export class WholeResponse {
  readonly status: number;
  readonly statusText: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** null where the response has no body, as 204 has none. */
  readonly body: Uint8Array<ArrayBuffer> | null;

  /**
   * @param head - the status and the headers, several of one name beside each other
   * @param body - null where the response has none
   */
  constructor(
    head: Pick<WholeResponse, "status" | "statusText" | "headers">,
    body: Uint8Array<ArrayBuffer> | null,
  ) {
    this.status = head.status;
    this.statusText = head.statusText;
    this.headers = head.headers;
    this.body = body;
  }
}

/** Makes a response for a client. */
export function toResponse({ status, statusText, headers, body }: WholeResponse): Response {
  const fields = new Headers();
  for (const [name, value] of headers) fields.append(name, value);
  return new Response(body, { status, statusText, headers: fields });
}
