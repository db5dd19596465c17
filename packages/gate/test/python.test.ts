import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { clientV1, clientV2 } from "./official.ts";
import { openGate } from "./support.ts";

const upstream = {
  command: "python3",
  args: [fileURLToPath(new URL("./servers/plain.py", import.meta.url))],
};

describe("a server in plain Python", () => {
  it.each([
    ["v1", clientV1],
    ["v2", clientV2],
  ])("is called through the gate by the client of SDK %s", async (_, connect) => {
    const { url } = await openGate(upstream);
    const client = await connect(url);
    expect(await client.call("shout", { text: "é and more" })).toBe("É AND MORE");
    await client.close();
  });
});
