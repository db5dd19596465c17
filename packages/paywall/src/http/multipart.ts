import { createHash } from "node:crypto";
import { isRecord, property } from "../util/record.ts";

/** Returns whether a content type is that of a form with files, whose boundary is another one each time that it is sent. */
export function isMultipart(contentType: string | undefined): contentType is string {
  return contentType !== undefined && /^\s*multipart\/form-data\s*(;|$)/i.test(contentType);
}

/** Returns a content type as it is compared: of a form without its boundary. */
export function comparedType(contentType: string | undefined): string | undefined {
  return isMultipart(contentType) ? "multipart/form-data" : contentType;
}

/** Returns bytes as they are compared: by their hash, as they are many. */
export function hashOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("base64url");
}

/**
 * Returns what a form says, without the boundary that it is sent with; undefined where its bytes are none.
 *
 * @param contentType - the content type, which names the boundary
 */
export async function readForm(bytes: Uint8Array<ArrayBuffer>, contentType: string): Promise<unknown> {
  const form = await new Response(bytes, { headers: { "content-type": contentType } })
    .formData()
    .catch(() => undefined);
  if (form === undefined) return undefined;
  const fields = [...form].map(async ([name, value]) => {
    if (typeof value === "string") return [name, value];
    return [name, value.name, value.type, hashOf(new Uint8Array(await value.arrayBuffer()))];
  });
  return Promise.all(fields);
}

/**
 * Returns the files that a form parser such as multer has put beside a request's fields, by their hashes.
 *
 * @returns undefined where the bytes of one are somewhere else
 */
export function parsedFiles(request: object): readonly unknown[] | undefined {
  const files = [property(request, "file"), property(request, "files")].flatMap(filesIn);
  const compared = files.map((file) => {
    const bytes = property(file, "buffer") ?? property(file, "data");
    if (!(bytes instanceof Uint8Array)) return undefined;
    const names = ["fieldname", "originalname", "name", "mimetype"].map((name) => property(file, name));
    return [...names, hashOf(bytes)];
  });
  return compared.includes(undefined) ? undefined : compared;
}

/** One file, several, or several by the names of their fields. */
function filesIn(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  if (!isRecord(value)) return [];
  if ("mimetype" in value) return [value];
  return Object.values(value).flat();
}
