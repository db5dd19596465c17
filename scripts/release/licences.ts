/** A component of a CycloneDX document, as far as it is read here. */
export interface Component {
  readonly name: string;
  readonly group?: string;
  readonly version?: string;
  readonly licenses?: readonly {
    readonly license?: { readonly id?: string; readonly name?: string };
    readonly expression?: string;
  }[];
}

/** Licences that lay nothing on who uses the packages but to name them. */
const ALLOWED = new Set([
  "0BSD",
  "Apache-2.0",
  "BlueOak-1.0.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "CC0-1.0",
  "ISC",
  "MIT",
  "Python-2.0",
  "Unlicense",
]);

/** Names a component as the registry does. */
function nameOf({ group, name, version = "?" }: Component): string {
  return `${group === undefined ? "" : `${group}/`}${name}@${version}`;
}

/** The licence of a component, as an SPDX expression; null where it names none. */
function licenceOf({ licenses = [] }: Component): string | null {
  const named = licenses.flatMap(
    ({ license, expression }) => expression ?? license?.id ?? license?.name ?? [],
  );
  return named.length === 0 ? null : named.join(" AND ");
}

/** Components whose licences are not allowed, or that name none. Of "A OR B", one that is allowed is enough. */
export function problemsOfLicences(components: readonly Component[]): string[] {
  return components.flatMap((component) => {
    const licence = licenceOf(component);
    if (licence === null) return [`${nameOf(component)} names no licence`];
    const clauses = licence.replaceAll(/[()]/g, "").split(" AND ");
    const isAllowed = clauses.every((clause) =>
      clause.split(" OR ").some((each) => ALLOWED.has(each.trim())),
    );
    return isAllowed ? [] : [`${nameOf(component)} has the licence ${licence}`];
  });
}

/** The licences of all components, as a table in Markdown. */
export function licenceTable(components: readonly Component[]): string {
  const rows = components.map((component) => [nameOf(component), licenceOf(component) ?? "unknown"] as const);
  const sorted = rows.toSorted(([one], [other]) => (one < other ? -1 : 1));
  const lines = ["| package | licence |", "| --- | --- |", ...sorted.map((row) => `| ${row.join(" | ")} |`)];
  return `${lines.join("\n")}\n`;
}
