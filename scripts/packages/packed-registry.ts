import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { basename } from "node:path";
import { promisify } from "node:util";
import type { PackedPackages } from "./packed-project.ts";

const run = promisify(execFile);
const upstream = process.env["npm_config_registry"] ?? "https://registry.npmjs.org/";

/** A registry that has packed packages as if they were published. */
export interface PackedRegistry {
  readonly url: string;
  close(): void;
}

/** Serves packed packages to a package manager, and sends it to the public registry for all others. */
export async function startPackedRegistry(packed: PackedPackages): Promise<PackedRegistry> {
  const tarballs = new Map<string, Buffer>();
  const documents = new Map<string, (url: string) => object>();
  for (const [name, path] of Object.entries(packed)) {
    const tarball = await readFile(path);
    const manifest = await packedManifest(path);
    const file = `/-/${basename(path)}`;
    tarballs.set(file, tarball);
    documents.set(name, (url) => {
      const integrity = `sha512-${createHash("sha512").update(tarball).digest("base64")}`;
      const version = { ...manifest, dist: { tarball: `${url}${file}`, integrity } };
      return { name, "dist-tags": { latest: manifest.version }, versions: { [manifest.version]: version } };
    });
  }
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? "");
    const document = documents.get(path.slice(1));
    const tarball = tarballs.get(path);
    // Another run may have the same port, and other packages of the same version.
    response.setHeader("cache-control", "no-store");
    if (document) response.end(JSON.stringify(document(url)));
    else if (tarball) response.end(tarball);
    else response.writeHead(307, { location: new URL((request.url ?? "").slice(1), upstream).href }).end();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** The manifest in a tarball, which is not the one in the workspace: `publishConfig` and versions are filled in. */
async function packedManifest(tarball: string): Promise<PackedManifest> {
  const { stdout } = await run("tar", ["-xOzf", tarball, "package/package.json"]);
  return JSON.parse(stdout);
}

/** What a published package says of itself. */
export interface PackedManifest {
  readonly name: string;
  readonly version: string;
  readonly [member: string]: unknown;
}
