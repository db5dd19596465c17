/** A URI as handlers may read it. */
export interface Reading {
  /** Each path that it may mean. */
  readonly paths: ReadonlySet<string>;
  readonly parameters: ReadonlySet<string>;
  readonly hasFragment: boolean;
}

const NOTHING: Reading = { paths: new Set(), parameters: new Set(), hasFragment: false };

/**
 * Reads a URI in the ways that handlers do: as a URL, or as a string behind a scheme, which does not know a host from a path
 * and may be joined to a directory. Both without escapes, empty and dot segments, and the user, whoever that may be.
 *
 * @param deepest - most segments of a path that anything is to be found by
 */
export function readUri(uri: string, deepest: number): Reading {
  const parts = partsOf(uri);
  if (parts === undefined) return NOTHING;
  const { scheme, path, query, hasFragment } = parts;
  const spellings = [path];
  if (URL.canParse(uri)) {
    const { hostname, port, pathname } = new URL(uri);
    const host = decoded(hostname).replace(/\.$/, "") + (port && `:${port}`);
    spellings.push(`${host}/${pathname}`, `${host.toLowerCase()}/${pathname}`);
  }
  const paths = new Set<string>();
  for (const spelling of spellings) {
    const once = decoded(spelling);
    // Some frameworks unescape what they hand to a handler that does so once more.
    for (const text of [once, decoded(once)]) {
      for (const segments of pathsIn(text, deepest)) paths.add(JSON.stringify([scheme, ...segments]));
    }
  }
  const parameters = new Set([...new URLSearchParams(query)].map((pair) => JSON.stringify(pair)));
  return { paths, parameters, hasFragment };
}

/** Counts the segments of a URI's path, its host among them. */
export function segmentsIn(uri: string): number {
  const path = partsOf(uri)?.path;
  return path === undefined ? 0 : segmentsOf(decoded(decoded(path))).length;
}

/** The paths that a string may mean: a handler may know so much of its beginning by heart, and let nothing out of that. */
function pathsIn(text: string, deepest: number): string[][] {
  const segments = segmentsOf(text);
  const up = segments.indexOf("..");
  if (up === -1) return [segments];
  return Array.from({ length: Math.min(up, deepest) + 1 }, (_, root) => {
    const path: string[] = [];
    for (const segment of segments) {
      if (segment !== "..") path.push(segment);
      else if (path.length > root) path.pop();
    }
    return path;
  });
}

function segmentsOf(text: string): string[] {
  return text.split(/[/\\]/).filter((segment) => segment !== "" && segment !== ".");
}

/** Characters up to this one are left out at both ends of a URI. */
const SPACE = " ".charCodeAt(0);

/** A URI's parts, its scheme and its white space as every parser of URLs takes them; undefined where it has no scheme. */
function partsOf(uri: string) {
  let start = 0;
  let end = uri.length;
  while (uri.charCodeAt(start) <= SPACE) start++;
  while (end > start && uri.charCodeAt(end - 1) <= SPACE) end--;
  const text = uri.slice(start, end).replace(/[\t\n\r]/g, "");
  const [, scheme, path, query = "", hash = ""] =
    /^([a-z][a-z\d+.-]*):([^?#]*)(?:\?([^#]*))?(#.*)?$/is.exec(text) ?? [];
  if (scheme === undefined || path === undefined) return undefined;
  return { scheme: scheme.toLowerCase(), path, query, hasFragment: hash.length > 1 };
}

const ESCAPES = /(?:%[0-9a-f]{2})+/gi;

/** A string without its escapes; those that are no UTF-8 stay. */
function decoded(text: string): string {
  return text.replace(ESCAPES, (escapes) => {
    try {
      return decodeURIComponent(escapes);
    } catch {
      return escapes.toUpperCase();
    }
  });
}
