import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import type { Rules, UpstreamOptions } from "../src/exchange.ts";
import { runStdioFront } from "../src/stdio-front.ts";
import { sdkHttp } from "./official.ts";
import { callText, initializeText, oddServer, PASS_ALL, until } from "./support.ts";

function openFront(upstream: UpstreamOptions, rules: Rules = PASS_ALL) {
  const [input, output] = [new PassThrough(), new PassThrough()];
  const said: string[] = [];
  let written = "";
  output.on("data", (chunk) => {
    written += String(chunk);
  });
  const over = runStdioFront({
    upstream,
    rules,
    token: "AGT-from-environment",
    input,
    output,
    say: (sentence) => void said.push(sentence),
  });
  const lines = () => written.split("\n").slice(0, -1);
  return {
    over,
    said,
    lines,
    input,
    write: (text: string) => void input.write(`${text}\n`),
    async ask(text: string) {
      const { id } = JSON.parse(text);
      input.write(`${text}\n`);
      const find = () => lines().find((line) => JSON.parse(line).id === id);
      await until(() => find() !== undefined);
      return find() ?? "";
    },
  };
}

describe("the front on standard input and output", () => {
  it("passes messages on as they came, and ends with its client", async () => {
    const { upstream, lines } = oddServer();
    const tokens = new Set<string | undefined>();
    const front = openFront(upstream, {
      ...PASS_ALL,
      request: (request, send) => {
        tokens.add(request.token);
        return PASS_ALL.request(request, send);
      },
    });
    await front.ask(initializeText());
    front.write('{"jsonrpc":"2.0","method":"notifications/initialized"}');
    const request = `{"method":"never/heard","params":{"x":1.0},"id":7.0,"jsonrpc":"2.0" }`;
    expect(await front.ask(request)).toBe(
      `{"result" :{"of":1.0, "big":98765432109876543210,"s":"\\u00e9"},"id":7.0,"jsonrpc":"2.0","odd":{"a":-0.0} }`,
    );
    expect(lines().at(-1)).toBe(request);
    expect(front.lines().some((line) => line.startsWith('{ "jsonrpc":"2.0","method":"unheard/of"'))).toBe(
      true,
    );
    expect([...tokens]).toEqual(["AGT-from-environment"]);
    expect(lines().join("\n")).not.toContain("AGT-");
    front.write("{");
    await until(() => front.lines().some((line) => line.includes("-32700")));
    front.input.end();
    await front.over;
    expect(front.said).toEqual([]);
  });

  it("ends with an error where the upstream cannot be kept up", async () => {
    const front = openFront({ command: process.execPath, args: ["-e", "process.exit(3)"] });
    front.write(initializeText());
    await expect(front.over).rejects.toThrow("cannot be kept running");
    expect(front.lines().join("")).toContain("exit code 3");
  });

  it("stands before a remote upstream too, and hears what belongs to no request", async () => {
    const { url } = await sdkHttp("v1-sessions");
    const front = openFront({ url });
    await front.ask(initializeText());
    front.write('{"jsonrpc":"2.0","method":"notifications/initialized"}');
    // The upstream tells nobody who does not listen yet.
    let id = 0;
    await until(async () => {
      id += 1;
      await front.ask(callText(id, "grow"));
      return front.lines().some((line) => line.includes("list_changed"));
    });
    front.input.end();
    await front.over;
  });
});
