import type { Route } from "@licentric/contract";
import fc from "fast-check";
import { pathParameters } from "./route-table.ts";
import { type Json, type JsonSchema, type Samples, sampleBody, toSchema } from "./sample-request.ts";

const HOSTILE_TEXTS = [
  "",
  " ",
  "\u0000",
  "a\u0000b",
  "\ud800",
  "\udfff\ud800",
  "\ufeff",
  "\u202e\u200d\u{1f469}\u200d\u{1f4bb}",
  "\\u0000",
  "'; DROP TABLE agents; --",
  "%00",
  "../../etc/passwd",
  "{{7*7}}",
  "NaN",
  "Infinity",
  "-infinity",
  "null",
  "0x10",
  "1e309",
  "00000000-0000-0000-0000-000000000000",
  "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
  "0190f000-0000-7000-8000-00000000000g",
  "0190f000-0000-7000-8000-000000000000\u0000",
  "x".repeat(201),
  "x".repeat(70_000),
  "\u{1f4a9}".repeat(5_000),
];

const TIMES = [
  "0000-01-01T00:00:00Z",
  "0001-01-01T00:00:00.000+23:59",
  "1969-12-31T23:59:59.999Z",
  "2000-01-01T00:00:00Z",
  "2024-02-29T12:00:00+14:00",
  "2023-02-29T12:00:00Z",
  "2026-06-30T23:59:60Z",
  "2026-06-30T23:59:59.123456789Z",
  "9999-12-31T23:59:59.999-23:59",
  "99999-01-01T00:00:00Z",
];

const NUMBERS = [0, -0, -1, 1, 1.5, 1e-7, 2 ** 31, 2 ** 32, 2 ** 53 - 1, 2 ** 53, 1e21, 1e308, -1e308];

/** Texts that are right somewhere, so that what is wrong elsewhere in the request is reached. */
const RIGHT_TEXTS = [
  "api_calls",
  "0.01",
  "999999999999999.999999999999",
  "mcp:invoke",
  "cus_1",
  "usd",
  "a@b.co",
];

const deep = (depth: number): Json => {
  let value: Json = "bottom";
  for (let level = 0; level < depth; level += 1) value = level % 2 === 0 ? [value] : { a: value };
  return value;
};

/** Names that JavaScript, SQL and templates treat specially. */
const KEYS = [
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "hasOwnProperty",
  "",
  "\u0000",
  "\ud800",
  "a.b",
  "0",
];

const hostileObject = fc
  .array(fc.tuple(fc.constantFrom(...KEYS), fc.constantFrom<Json>("x", 1, null, { isAdmin: true })), {
    maxLength: 4,
  })
  .map((entries): Json => Object.fromEntries(entries));

/** A value that fits nowhere, or only by its type. */
const hostileValue: fc.Arbitrary<Json> = fc.oneof(
  fc.constantFrom<Json>(...HOSTILE_TEXTS, ...TIMES, ...NUMBERS, null, true, [], {}),
  fc.string({ unit: "binary" }),
  hostileObject,
  fc.constantFrom(20, 1_000).map(deep),
  fc.array(fc.constantFrom<Json>(null, 1, "a", []), { maxLength: 60 }),
);

/** A request body made from the schema: right in most places, hostile in some. */
export function bodyFor(route: Route, samples: Samples): fc.Arbitrary<Json> {
  return route.body === undefined ? hostileValue : valueFor(toSchema(route.body), "", samples);
}

function valueFor(schema: JsonSchema, name: string, samples: Samples): fc.Arbitrary<Json> {
  return fc.oneof(
    { weight: 9, arbitrary: rightValue(schema, name, samples) },
    { weight: 1, arbitrary: hostileValue },
  );
}

function rightValue(schema: JsonSchema, name: string, samples: Samples): fc.Arbitrary<Json> {
  const sample = samples[name];
  if (sample !== undefined) {
    const events = name === "events" ? changedEvents(sample, samples) : fc.constant(sample);
    return fc.oneof(events, fc.constant(sample), hostileValue);
  }
  const choices = schema.anyOf ?? schema.oneOf ?? schema.allOf;
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  if (choices !== undefined) return fc.oneof(...choices.map((choice) => rightValue(choice, name, samples)));
  if (schema.properties !== undefined) {
    const members: Record<string, fc.Arbitrary<Json>> = {};
    for (const [member, value] of Object.entries(schema.properties))
      members[member] = valueFor(value, member, samples);
    return fc.record<Record<string, Json>>(members, { requiredKeys: [...(schema.required ?? [])] });
  }
  if (schema.type === "object") return fc.dictionary(fc.string({ minLength: 1 }), fc.string());
  if (schema.type === "array") return fc.array(valueFor(schema.items ?? {}, "", samples), { maxLength: 4 });
  if (schema.type === "boolean") return fc.boolean();
  if (schema.type === "integer" || schema.type === "number") {
    const limits = [schema.minimum ?? 0, schema.maximum ?? Number.MAX_SAFE_INTEGER];
    return fc.constantFrom(...limits, 1, 7, ...NUMBERS);
  }
  if (schema.format === "date-time") return fc.constantFrom(...TIMES, "2026-11-23T00:00:00.000Z");
  return fc.oneof(
    fc.constantFrom(...RIGHT_TEXTS),
    fc.string({ unit: "grapheme" }),
    fc.constantFrom(...HOSTILE_TEXTS),
  );
}

/** Each event of a batch is checked by itself, so each can be wrong by itself. */
function changedEvents(sample: Json, samples: Samples): fc.Arbitrary<Json> {
  const event = {
    agentId: samples["agentId"] ?? null,
    meterName: samples["meterName"] ?? null,
    quantity: 1,
    timestamp: "2026-11-23T00:00:00.000Z",
    idempotencyKey: "fuzz",
    metadata: { a: "b" },
  };
  const changed = fc
    .tuple(fc.constantFrom(...Object.keys(event)), fc.oneof(hostileValue, fc.constantFrom(...TIMES)))
    .map(([member, value]): Json => ({ ...event, [member]: value }));
  return fc.array(fc.oneof(changed, hostileValue, fc.constant(sample)), { maxLength: 12 });
}

/** For every member that the route's query or body can have at its top: a request in which it cannot be stored. */
export function unstorableRequests(
  route: Route,
  samples: Samples,
): { readonly member: string; readonly query: string; readonly body: Json | undefined }[] {
  const unstorable = (member: string) =>
    ["\u0000", "\ud800"].map((text) => (member === "url" ? `https://example.com/${text}` : `a${text}b`));
  const inBody = route.body === undefined ? [] : Object.keys(toSchema(route.body).properties ?? {});
  const right = route.body === undefined ? null : sampleBody(route, samples);
  const changed = typeof right === "object" && right !== null && !Array.isArray(right) ? right : {};
  const inQuery = route.query === undefined ? [] : Object.keys(toSchema(route.query).properties ?? {});
  return [
    ...inBody.flatMap((member) =>
      [...unstorable(member), ...TIMES].map((value) => ({
        member,
        query: "",
        body: { ...changed, [member]: value },
      })),
    ),
    ...inQuery.flatMap((member) =>
      unstorable(member).map((value) => ({ member, query: `?${member}=${encode(value)}`, body: undefined })),
    ),
  ];
}

/** The body as bytes: mostly JSON as it should be, now and then cut off, with bad UTF-8, or no JSON at all. */
export function bytesFor(body: fc.Arbitrary<Json>): fc.Arbitrary<Uint8Array> {
  const json = body.map((value) => Buffer.from(JSON.stringify(value)));
  return fc.oneof(
    { weight: 12, arbitrary: json },
    { weight: 1, arbitrary: fc.tuple(json, fc.nat(400)).map(([bytes, end]) => bytes.subarray(0, end)) },
    { weight: 1, arbitrary: json.map((bytes) => Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), bytes])) },
    {
      weight: 1,
      arbitrary: json.map((bytes) =>
        Buffer.from(bytes.toString("latin1").replace(/"/g, '"\xff\xc0'), "latin1"),
      ),
    },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        ...[
          "",
          "{",
          "[[[[[[",
          "[".repeat(200_000),
          '{"a":'.repeat(50_000),
          "NaN",
          "1e999",
          '{"name":"a","name":"b"}',
          '{"__proto__":{"x":1}}',
          '{"constructor":{"prototype":{"x":1}}}',
          "\u0000",
          `"${"x".repeat(1_100_000)}"`,
        ].map((text) => Buffer.from(text)),
      ),
    },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }) },
  );
}

/** What can stand in one segment of a path, as it is sent. */
const segment = fc.constantFrom(
  "%00",
  "%2e%2e",
  "..%2f..%2f",
  "%ff",
  "%E0%A4%A",
  "%",
  "%zz",
  "x".repeat(300),
  "x".repeat(9_000),
  "%F0%9F%92%A9",
  "%27%3B%20DROP%20TABLE%20agents",
  ";a=b",
  "__proto__",
  "current",
  "00000000-0000-0000-0000-000000000000",
  "0190F000-0000-7000-8000-000000000000",
  "0190f000-0000-7000-8000-000000000000%00",
);

/** The route's path with these ids in it or, in some places, with something hostile. */
export function targetFor(route: Route, ids: Readonly<Record<string, string>>): fc.Arbitrary<string> {
  const parameters = pathParameters(route).map((name) =>
    fc.oneof({ weight: 6, arbitrary: fc.constant(ids[name] ?? "none") }, { weight: 1, arbitrary: segment }),
  );
  return fc.tuple(fc.tuple(...parameters), queryFor(route, ids)).map(([values, query]) => {
    const remaining = [...values];
    return route.path.replaceAll(/:\w+/g, () => remaining.shift() ?? "") + query;
  });
}

function queryFor(route: Route, ids: Readonly<Record<string, string>>): fc.Arbitrary<string> {
  const names = route.query === undefined ? [] : Object.keys(toSchema(route.query).properties ?? {});
  const value = fc.oneof(
    fc.constantFrom(
      "1",
      "100",
      "0",
      "-1",
      "1.5",
      "1e2",
      " 7",
      "agent,day,customer",
      "agent,agent",
      "active",
      "open",
    ),
    fc.constantFrom(...Object.values(ids)),
    fc.constantFrom(...HOSTILE_TEXTS.filter((text) => text.length < 1_000)).map(encode),
    segment,
  );
  const name = fc.constantFrom(...names, ...names, "limit", "__proto__", "a[b]", "%00", "%");
  const pairs = fc
    .array(fc.tuple(name, value), { minLength: 1, maxLength: 4 })
    .map((all) => `?${all.map(([left, right]) => `${left}=${right}`).join("&")}`);
  return fc.oneof(
    { weight: 2, arbitrary: fc.constant("") },
    { weight: 3, arbitrary: pairs },
    { weight: 1, arbitrary: fc.constantFrom("?", "?&&==", "??", "?%", "?#", `?${"a=b&".repeat(2_000)}`) },
  );
}

/** Percent-encoding of UTF-8, also of what is no text: half a pair becomes the bytes that it would be. */
function encode(text: string): string {
  return [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join("");
}

/** Header lines, right ones and others. The credential is among them, or is not. */
export function headersFor(credentials: readonly string[]): fc.Arbitrary<string[]> {
  const [right = ""] = credentials;
  const authorization = fc.oneof(
    { weight: 12, arbitrary: fc.constant([`Authorization: Bearer ${right}`]) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(...credentials).map((credential) => [`Authorization: Bearer ${credential}`]),
    },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        [],
        ["Authorization:"],
        ["Authorization: Bearer"],
        [`Authorization: bearer   ${right}   `],
        [`Authorization: Bearer ${right}`, `Authorization: Bearer ${right}`],
        [`Authorization: Bearer ${right}, Bearer x`],
        [`Authorization: Bearer ${right}\xe9\x80`],
        [`Authorization: Bearer lk_test_${"\xff".repeat(50)}`],
        [`Authorization: Bearer AGT-${"x".repeat(6_000)}`],
        [`Authorization: Basic ${Buffer.from(right).toString("base64")}`],
      ),
    },
  );
  const contentType = fc.oneof(
    { weight: 12, arbitrary: fc.constant(["Content-Type: application/json"]) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        [],
        ["Content-Type: application/json; charset=utf-16"],
        ["Content-Type: text/plain"],
        ["Content-Type: application/json, application/json"],
        ["Content-Type: \xff"],
        ["Content-Type: application/json", "Content-Encoding: gzip"],
        ["Content-Type: multipart/form-data; boundary=x"],
      ),
    },
  );
  const others = fc.array(
    fc.constantFrom(
      "Idempotency-Key: fuzz",
      "Idempotency-Key:",
      "Idempotency-Key: a, b",
      `Idempotency-Key: ${"k".repeat(256)}`,
      "Idempotency-Key: \xe9\x80",
      "Idempotency-Key: \t'; DROP TABLE agents; --",
      `X-Long: ${"y".repeat(7_000)}`,
      `X-Longer: ${"y".repeat(20_000)}`,
      "X-Odd: \x01\x7f",
      "X-Latin: \xe9\xff",
      "X-Request-Id: ../../x",
      "X-Forwarded-For: 1.2.3.4, \xff, ::1",
      "X-Forwarded-Host: evil.example",
      "X-HTTP-Method-Override: DELETE",
      "Accept: text/html",
      "Accept-Version: 9.9.9",
      "Expect: 100-continue",
      "Range: bytes=0-1",
      "Cookie: a=b; __proto__=c",
      "Transfer-Encoding: chunked",
      "Upgrade: websocket",
      " Folded: line",
      "No colon here",
      ...Array.from({ length: 3 }, () => "X-Twice: twice"),
    ),
    { maxLength: 3 },
  );
  return fc
    .tuple(authorization, contentType, fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, others))
    .map((parts) => parts.flat());
}
