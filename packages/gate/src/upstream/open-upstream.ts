import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { delimiter, join } from "node:path";
import type { StdioUpstream, UpstreamOptions } from "../exchange.ts";
import type { Limits } from "../limits.ts";
import type { Channel, ChannelHost } from "./channel.ts";
import { createRemoteChannel } from "./remote-channel.ts";
import { openRemoteHttp } from "./remote-http.ts";
import { createSharedProcess, type SharedProcess } from "./shared-channel.ts";
import { createStdioChannel } from "./stdio-channel.ts";
import { environmentOf } from "./stdio-process.ts";
import { UpstreamError } from "./upstream-error.ts";

/** The ways to an upstream. */
export interface OpenUpstream {
  /** Opens the channel of a session. */
  openSession(host: ChannelHost): Channel;
  /**
   * Opens the channel of a request that belongs to no session.
   *
   * @param caller - the token of who sends it, which tells processes apart
   * @throws UpstreamError where too many processes run
   */
  openTransient(host: ChannelHost, caller: string | undefined): Channel;
  close(): Promise<void>;
}

/** The parts of the ways to an upstream. */
export interface UpstreamParts {
  readonly limits: Limits;
  readonly say: (sentence: string) => void;
}

/**
 * Opens the ways to an upstream.
 *
 * @throws UpstreamError where its command is not there
 */
export async function openUpstream(upstream: UpstreamOptions, parts: UpstreamParts): Promise<OpenUpstream> {
  if ("command" in upstream) {
    await findCommand(upstream);
    return openStdio(upstream, parts);
  }
  const http = openRemoteHttp(upstream, parts.limits, parts.say);
  const taken = new Set<string>();
  const open = (host: ChannelHost) => createRemoteChannel({ ...parts, upstream, http, taken }, host);
  return { openSession: open, openTransient: open, close: http.close };
}

function openStdio(upstream: StdioUpstream, { limits, say }: UpstreamParts): OpenUpstream {
  const open = (host: ChannelHost) => createStdioChannel({ upstream, limits, say }, host);
  const shared = new Map<string, SharedProcess>();
  const share = (key: string, host: ChannelHost): Channel => {
    const known = shared.get(key);
    if (known !== undefined) return known.open(host);
    if (shared.size >= limits.maxSessions) {
      // Whoever calls with many tokens, which nobody has checked, keeps no one out once the calls are over.
      const idle = [...shared.values()].find(({ isIdle }) => isIdle);
      if (idle === undefined)
        throw new UpstreamError(`This server has its ${limits.maxSessions} callers; try again later.`);
      void idle.close();
    }
    const made = createSharedProcess({
      idleTimeout: limits.idleTimeout,
      openChannel: open,
      onOver: () => {
        if (shared.get(key) === made) shared.delete(key);
      },
    });
    shared.set(key, made);
    return made.open(host);
  };
  return {
    openSession: (host) => (upstream.stateless ? share("sessions", host) : open(host)),
    // A process that serves the era without sessions was never told to begin one, so it serves no other.
    openTransient: (host, caller) => share(upstream.stateless ? "" : `of ${hashOf(caller)}`, host),
    async close() {
      await Promise.all([...shared.values()].map((one) => one.close()));
    },
  };
}

function hashOf(caller: string | undefined): string {
  return caller === undefined ? "nobody" : createHash("sha256").update(caller).digest("base64");
}

/**
 * Looks for a command, as starting it would.
 *
 * @throws UpstreamError where it is not there
 */
export async function findCommand({
  command,
  cwd = process.cwd(),
  env,
}: Pick<StdioUpstream, "command" | "cwd" | "env">): Promise<void> {
  const { PATH = "" } = environmentOf(env);
  const paths = command.includes("/")
    ? [command.startsWith("/") ? command : join(cwd, command)]
    : PATH.split(delimiter).map((folder) => join(folder, command));
  const found = await Promise.all(
    paths.map((path) =>
      access(path, constants.X_OK).then(
        () => true,
        () => false,
      ),
    ),
  );
  if (!found.includes(true))
    throw new UpstreamError(`${JSON.stringify(command)} was not found: install it, or give its whole path.`);
}
