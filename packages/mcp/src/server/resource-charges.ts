import type { Policy } from "@licentric/paywall/adapter";
import { type Reading, readUri, segmentsIn } from "./uri-readings.ts";

/** The price of each resource, found by any spelling of its URI. */
export interface ResourceCharges {
  /** The policy of a URI that is named in this very spelling, or in one that says the same by RFC 3986. */
  named(uri: string): Policy | false | undefined;
  /** The policy of a URI that is named, or of one whose path a handler may take for the same, with the same query. */
  alike(uri: string): Policy | false | undefined;
  /** The policy of the longest URI that is named and lacks only a part of this one's query. */
  within(uri: string): Policy | undefined;
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
  const deepest = Math.max(0, ...[...charges.keys()].map(segmentsIn));
  for (const [uri, policy] of charges) {
    const form = normalForm(uri);
    const strongest = strongestOf(byNormalForm.get(form), policy);
    if (strongest !== undefined) byNormalForm.set(form, strongest);
    if (policy === false) continue;
    const reading = readUri(uri, deepest);
    for (const path of reading.paths) byPath.set(path, [...(byPath.get(path) ?? []), { ...reading, policy }]);
  }

  /** Those of a path that this URI may mean, with nothing in their query but what this has, the longest first. */
  const candidates = (uri: string) => {
    const { paths, parameters: asked } = readUri(uri, deepest);
    const found = [...paths].flatMap((path) => byPath.get(path) ?? []);
    return {
      size: asked.size,
      fitting: found
        .filter(({ parameters }) => [...parameters].every((one) => asked.has(one)))
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
      const same = fitting.filter(({ parameters }) => parameters.size === size).map(({ policy }) => policy);
      return charges.get(uri) ?? strongestOf(byNormalForm.get(normalForm(uri)), ...same);
    },
    within: (uri) => candidates(uri).fitting[0]?.policy,
  };
}

/** The first of the policies that bill, else of those that verify, else of those that do neither. */
export function strongestOf(
  ...policies: readonly (Policy | false | undefined)[]
): Policy | false | undefined {
  return (
    policies.find((policy) => policy && policy.meterName !== undefined) ??
    policies.find((policy) => policy) ??
    policies.find((policy) => policy !== undefined)
  );
}

/**
 * A URI without what makes no difference by RFC 3986: dot segments, a default port, the case of its scheme, its host
 * and its escapes, and escapes of what needs none. What is no URI stays as it is.
 */
export function normalForm(uri: string): string {
  if (!URL.canParse(uri)) return uri;
  const url = new URL(uri);
  const { href } = url;
  if (url.host !== "") url.host = url.host.toLowerCase();
  const unescaped = url.href.replace(/%[0-9a-f]{2}/gi, (escaped) => {
    const character = String.fromCharCode(Number.parseInt(escaped.slice(1), 16));
    return /[\w.~-]/.test(character) ? character : escaped.toUpperCase();
  });
  // What was escaped may be a dot segment.
  return unescaped === href ? href : normalForm(unescaped);
}
