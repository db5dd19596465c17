import { toJsonSchema } from "@licentric/contract";
import type { z } from "zod";
import { code, table } from "./markdown.ts";

type Schema = z.core.JSONSchema.BaseSchema;

interface Row {
  readonly name: string;
  readonly type: string;
  readonly required: boolean;
  readonly about: string;
}

/** The members of what is sent (`input`) or answered (`output`), nested ones by their path. */
export function schemaTable(schema: z.ZodType, io: "input" | "output"): string {
  const rows = membersOf(toJsonSchema(schema, io), "");
  const hasOptional = rows.some(({ required }) => !required);
  return table(
    ["member", "type", ...(hasOptional ? [""] : []), ""],
    rows.map(({ name, type, required, about }) => [
      code(name),
      type,
      ...(hasOptional ? [required ? "" : "optional"] : []),
      about,
    ]),
  );
}

function membersOf(schema: Schema, path: string): Row[] {
  if (schema.type === "array") return membersOf(itemsOf(schema), `${path}[]`);
  const variants = objectsOf(schema);
  if (variants.length > 1) return mergedMembers(variants, path);
  return variants.flatMap((variant) =>
    Object.entries(variant.properties ?? {}).flatMap(([name, member]) =>
      rowsOf(resolved(member), join(path, name), variant.required?.includes(name) ?? false),
    ),
  );
}

function rowsOf(schema: Schema, name: string, required: boolean): Row[] {
  return [
    { name, type: typeOf(schema), required, about: schema.description ?? "" },
    ...membersOf(schema, name),
  ];
}

/** Members of several forms in one list; what only some forms have says in which. */
function mergedMembers(variants: readonly Schema[], path: string): Row[] {
  const tag = Object.keys(variants[0]?.properties ?? {}).find((name) =>
    variants.every((variant) => resolved(variant.properties?.[name]).const !== undefined),
  );
  const tagOf = (variant: Schema) => code(JSON.stringify(tag && resolved(variant.properties?.[tag]).const));
  const rows = new Map<string, { row: Row; of: string[] }>();
  for (const variant of variants) {
    for (const row of membersOf(variant, path)) {
      const known = rows.get(row.name);
      if (known) known.of.push(tagOf(variant));
      else rows.set(row.name, { row, of: [tagOf(variant)] });
    }
  }
  return [...rows.values()].map(({ row, of }) => {
    if (tag !== undefined && row.name === join(path, tag)) return { ...row, type: of.join(" or ") };
    if (of.length === variants.length || tag === undefined) return row;
    return { ...row, about: `${row.about} Where ${code(tag)} is ${of.join(" or ")}.`.trim() };
  });
}

function typeOf(schema: Schema): string {
  if (schema.const !== undefined) return code(JSON.stringify(schema.const));
  if (schema.enum) return schema.enum.map((value) => code(JSON.stringify(value))).join(" or ");
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return [...new Set(choices.map((choice) => typeOf(resolved(choice))))].join(" or ");
  if (Array.isArray(schema.type)) return schema.type.join(" or ");
  if (schema.type === "array") return `list of ${typeOf(itemsOf(schema))}`;
  if (schema.type === "integer") return `whole number${range(schema)}`;
  if (schema.format === "date-time") return "time";
  if (schema.format === "uri") return "URL";
  if (schema.type === "object" && !schema.properties) {
    return `object of ${typeOf(resolved(schema.additionalProperties))} by name`;
  }
  return schema.type ?? "any JSON";
}

function range({ minimum, maximum }: Schema): string {
  const from = minimum === undefined ? "" : ` from ${minimum}`;
  return `${from}${maximum === undefined || maximum === Number.MAX_SAFE_INTEGER ? "" : ` to ${maximum}`}`;
}

/** The objects that a schema may be: itself, or each of its forms. */
function objectsOf(schema: Schema): Schema[] {
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices) return choices.flatMap((choice) => objectsOf(resolved(choice)));
  return schema.properties ? [schema] : [];
}

function itemsOf({ items }: Schema): Schema {
  return Array.isArray(items) ? {} : resolved(items);
}

/** A schema that may be written as `true`, which allows everything. */
function resolved(schema: Schema | boolean | undefined): Schema {
  return typeof schema === "object" ? schema : {};
}

const join = (path: string, name: string) => (path === "" ? name : `${path}.${name}`);
