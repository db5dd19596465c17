import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Route, routes } from "@licentric/contract";
import {
  Application,
  Converter,
  type ParameterReflection,
  type ProjectReflection,
  ReflectionKind,
  type SignatureReflection,
  TSConfigReader,
  TypeDocReader,
} from "typedoc";
import ts from "typescript";
import { pathOfCall } from "./http-api.ts";
import { document } from "./markdown.ts";
import { schemaTable } from "./schema-table.ts";

/**
 * Writes a page for everything that the packages export, and answers what TypeDoc read.
 *
 * @throws Error where an export has no doc comment, or a comment links to nothing
 */
export async function writeCodeReference(docs: string, out: string): Promise<ProjectReflection> {
  const app = await Application.bootstrapWithPlugins({ options: docs, out }, [
    new TypeDocReader(),
    new TSConfigReader(),
  ]);
  showTypesAsWritten(app.converter);
  const project = await app.convert();
  if (project === undefined) throw new Error("TypeDoc could not read the sources.");
  // A module is called by its entry file: `mcp/src/testing` is imported as `@licentric/mcp/testing`.
  for (const module of project.getChildrenByKind(ReflectionKind.Module)) {
    module.name = module.name.replace("/src", "");
  }
  app.validate(project);
  if (app.logger.hasErrors() || app.logger.hasWarnings()) {
    throw new Error("The doc comments of the packages are not right: see the warnings above.");
  }
  await app.generateOutputs(project);
  for (const path of readdirSync(join(out, "sdk/type-aliases"))) {
    const file = join(out, "sdk/type-aliases", path);
    writeFileSync(file, withMembers(readFileSync(file, "utf8")));
  }
  return project;
}

/**
 * Shows a parameter and an answer by the name of their types, as the source does. TypeDoc would spell out those that
 * are computed from the routes.
 */
function showTypesAsWritten(converter: Converter): void {
  converter.on(Converter.EVENT_CREATE_SIGNATURE, (context, signature, declaration) => {
    if (declaration === undefined || ts.isJSDocSignature(declaration)) return;
    const show = (shown: SignatureReflection | ParameterReflection, written: ts.TypeNode | undefined) => {
      if (!written || !ts.isTypeReferenceNode(written)) return;
      context.project.removeTypeReflections(shown.type);
      shown.type = converter.convertType(context.withScope(signature), written);
    };
    show(signature, declaration.type);
    for (const [index, parameter] of (signature.parameters ?? []).entries()) {
      show(parameter, declaration.parameters[index]?.type);
    }
  });
}

/** Adds the members to the page of a type that is what a call takes or answers: TypeDoc shows only its name. */
function withMembers(page: string): string {
  const [, of, resource = "", name = ""] =
    /`(BodyOf|QueryOf|ResponseOf)`\\<\*typeof\* `routes\.(\w+)\.(\w+)`/.exec(page) ?? [];
  if (of === undefined) return page;
  const route = routeOf(resource, name);
  const schema =
    of === "BodyOf" ? route.body : of === "QueryOf" ? route.query : (route.hostedResponse ?? route.response);
  if (schema === undefined) throw new Error(`${resource}.${name} has no ${of}`);
  return document(
    page.replace(/^> .*$/m, ""),
    `Of the call [${resource}.${name}](../../${pathOfCall(resource, name)}).`,
    schemaTable(schema, of === "ResponseOf" ? "output" : "input"),
  );
}

function routeOf(resource: string, name: string): Route {
  const table: Readonly<Record<string, Readonly<Record<string, Route>>>> = routes;
  const route = table[resource]?.[name];
  if (route === undefined) throw new Error(`There is no call ${resource}.${name}`);
  return route;
}
