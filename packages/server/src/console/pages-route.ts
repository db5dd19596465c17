import type { FastifyReply, FastifyRequest } from "fastify";
import type { RouteRegistration } from "../http/on-route.ts";
import { CONSOLE_HEADERS, type ConsoleFile, readConsoleFiles } from "./console-pages.ts";

const NOT_INSTALLED = `The console is not installed here. The command line brings it: npx licentric dev
In a clone of the repository, this builds it: npx -y pnpm@10 console:build
Then start the server again.
`;

/**
 * `GET /console` and everything below it: the console's files, and for every other address its page, which knows the
 * way from there. All of it is the same for everybody; what it shows, it asks of the API.
 *
 * @param directory of the console's built files; null where there are none
 */
export function consolePageRoutes(directory: string | null): RouteRegistration[] {
  const files = directory === null ? null : readConsoleFiles(directory);
  const answer = (request: FastifyRequest<{ Params: { "*"?: string } }>, reply: FastifyReply) => {
    reply.headers(CONSOLE_HEADERS);
    if (files === null) return reply.status(404).type("text/plain; charset=utf-8").send(NOT_INSTALLED);
    const name = request.params["*"] ?? "";
    const file = files.named.get(name);
    // An asset of another version is missing; the page in its place would be taken for a script.
    if (file === undefined && name.startsWith("assets/")) {
      return reply
        .status(404)
        .type("text/plain; charset=utf-8")
        .send("There is no such file. Load the page again.\n");
    }
    return send(request, reply, file ?? files.page);
  };
  return [
    (app) => app.get("/console", answer),
    (app) => app.get<{ Params: { "*"?: string } }>("/console/*", answer),
  ];
}

function send(request: FastifyRequest, reply: FastifyReply, file: ConsoleFile): FastifyReply {
  const zipped = /\bgzip\b/.test(String(request.headers["accept-encoding"] ?? ""));
  reply.header("vary", "accept-encoding");
  reply.header("cache-control", file.isHashed ? "public, max-age=31536000, immutable" : "no-cache");
  if (zipped) reply.header("content-encoding", "gzip");
  return reply.type(file.type).send(zipped ? file.gzipped : file.body);
}
