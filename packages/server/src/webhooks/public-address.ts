import { lookup } from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import ipaddr from "ipaddr.js";
import { Agent } from "undici";

/** A webhook's host has an address that is not on the public internet. */
export class PrivateAddressError extends Error {
  override readonly name = "PrivateAddressError";
}

/**
 * Checks whether an IP address belongs to the public internet: not loopback, private, link-local, mapped or
 * reserved.
 */
export function isPublicAddress(text: string): boolean {
  if (isIP(text) === 0) return false;
  const address = ipaddr.process(text.replace(/%.*$/, ""));
  if (address.range() !== "unicast") return false;
  // Only 2000::/3 is given out; old forms outside of it carry IPv4 addresses inside.
  return address.kind() === "ipv4" || (address.toByteArray()[0] ?? 0) >> 5 === 1;
}

/** The host of a URL where it is an IP address, without brackets; else null. */
function literalAddress(url: URL): string | null {
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  return isIP(host) === 0 ? null : host;
}

function refuse(address: string): PrivateAddressError {
  return new PrivateAddressError(
    `the address ${address} is not on the public internet; allow private webhooks to send there`,
  );
}

/**
 * Makes what requests to webhooks go through. Unless private addresses are allowed, every address that a name
 * resolves to is checked at the moment of connecting, so that a name that changes its address in between (DNS
 * rebinding) gets nowhere.
 */
export function createWebhookAgent({
  allowPrivate,
  resolve = lookup,
}: {
  readonly allowPrivate: boolean;
  /** Resolves names; the system's resolver by default. */
  readonly resolve?: typeof lookup;
}): Agent {
  const guarded: LookupFunction = (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      const [first] = addresses ?? [];
      if (error !== null || first === undefined) return callback(error ?? refuse(hostname), "");
      const refused = addresses.find(({ address }) => !isPublicAddress(address));
      if (refused !== undefined && !allowPrivate) return callback(refuse(refused.address), "");
      return options.all ? callback(null, addresses) : callback(null, first.address, first.family);
    });
  };
  return new Agent({ connect: { lookup: guarded, timeout: 5_000 }, pipelining: 0 });
}

/** @throws {PrivateAddressError} when the URL itself names a private address: no name is resolved then. */
export function requirePublicLiteral(url: URL): void {
  const address = literalAddress(url);
  if (address !== null && !isPublicAddress(address)) throw refuse(address);
}
