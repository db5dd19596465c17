import type { Policy } from "@licentric/paywall/adapter";

/** The price of each resource, found by any spelling of its URI. */
export interface ResourceCharges {
  /** The policy of a URI that is named in this very spelling, or in one that says the same by RFC 3986. */
  named(uri: string): Policy | false | undefined;
  /** The policy of a URI whose path a handler may take for the same, and whose query is the same. */
  alike(uri: string): Policy | undefined;
  /** The policy of the longest URI that is named and lacks only a part of this one's query. */
  within(uri: string): Policy | undefined;
}

/** A URI as a handler may read it. */
interface Reading {
  readonly path: string;
  readonly parameters: ReadonlySet<string>;
  readonly hasFragment: boolean;
}

interface Named extends Reading {
  readonly policy: Policy;
}

/**
 * Makes the look-up of resources' prices. A price holds for whatever an owner's handler may take for the same URI; that
 * something is free holds only for what is the same by RFC 3986, since a handler may tell the others apart.
 */
export function createResourceCharges(charges: ReadonlyMap<string, Policy | false>): ResourceCharges {
  const byNormalForm = new Map<string, Policy | false>();
  const byPath = new Map<string, Named[]>();
  for (const [uri, policy] of charges) {
    const form = normalForm(uri);
    byNormalForm.set(form, byNormalForm.get(form) || policy);
    const reading = read(uri);
    if (reading === undefined || policy === false) continue;
    byPath.set(reading.path, [...(byPath.get(reading.path) ?? []), { ...reading, policy }]);
  }

  /** Those of the same path that have nothing in their query but what this URI has, the longest first. */
  const candidates = (uri: string) => {
    const asked = read(uri);
    const found = (asked && byPath.get(asked.path)) ?? [];
    return {
      size: asked?.parameters.size,
      fitting: found
        .filter(({ parameters }) => [...parameters].every((one) => asked?.parameters.has(one)))
        .toSorted(
          (one, other) =>
            other.parameters.size - one.parameters.size ||
            Number(one.hasFragment) - Number(other.hasFragment),
        ),
    };
  };

  return {
    named: (uri) => charges.get(uri) ?? byNormalForm.get(normalForm(uri)),
    alike(uri) {
      const { size, fitting } = candidates(uri);
      return fitting.find(({ parameters }) => parameters.size === size)?.policy;
    },
    within: (uri) => candidates(uri).fitting[0]?.policy,
  };
}

const ESCAPES = /(?:%[0-9a-f]{2})+/gi;

/**
 * A URI without what makes no difference by RFC 3986: dot segments, a default port, the case of its scheme, its host
 * and its escapes, and escapes of what needs none. What is no URI stays as it is.
 */
function normalForm(uri: string): string {
  const url = toUrl(uri);
  if (url === undefined) return uri;
  const { href } = url;
  if (url.host !== "") url.host = url.host.toLowerCase();
  const unescaped = url.href.replace(/%[0-9a-f]{2}/gi, (escaped) => {
    const character = String.fromCharCode(Number.parseInt(escaped.slice(1), 16));
    return /[\w.~-]/.test(character) ? character : escaped.toUpperCase();
  });
  // What was escaped may be a dot segment.
  return unescaped === href ? href : normalForm(unescaped);
}

/** Reads a URI unescaped, its path without empty and dot segments, and without the user, whoever that may be. */
function read(uri: string): Reading | undefined {
  const url = toUrl(uri);
  if (url === undefined) return undefined;
  const segments: string[] = [];
  for (const segment of decoded(url.pathname).split("/")) {
    if (segment === "..") segments.pop();
    else if (segment !== "" && segment !== ".") segments.push(segment);
  }
  const host = decoded(url.hostname).toLowerCase().replace(/\.$/, "");
  return {
    path: JSON.stringify([url.protocol, host, url.port, ...segments]),
    parameters: new Set([...url.searchParams].map((pair) => JSON.stringify(pair))),
    hasFragment: url.hash !== "",
  };
}

function toUrl(uri: string): URL | undefined {
  return URL.canParse(uri) ? new URL(uri) : undefined;
}

/** A text without its escapes; those that are no UTF-8 stay. */
function decoded(text: string): string {
  return text.replace(ESCAPES, (escapes) => {
    try {
      return decodeURIComponent(escapes);
    } catch {
      return escapes.toUpperCase();
    }
  });
}
