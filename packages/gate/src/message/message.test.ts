import { describe, expect, it } from "vitest";
import { idTextOf, readClientParcel, readServerParcel } from "./message.ts";

describe("what a client sends", () => {
  it("is told apart, and kept as it came", () => {
    const text =
      '[{"jsonrpc":"2.0","id":1,"method":"a"}, {"jsonrpc":"2.0","method":"b"},{"id":"x","jsonrpc":"2.0","result":{}}]';
    const { messages, isBatch } = readClientParcel(text);
    expect(isBatch).toBe(true);
    expect(messages.map(({ kind }) => kind)).toEqual(["request", "notification", "response"]);
    expect(messages.map((message) => message.text).join("|")).toBe(
      text.slice(1, -1).replace("}, {", "}|{").replace("},{", "}|{"),
    );
    expect(idTextOf('{"params":{"id":2},"id": 1.0 }')).toBe("1.0");
  });

  it.each([
    ["", -32_700],
    ["{", -32_700],
    ["\u{feff}{}", -32_700],
    ["1", -32_600],
    ["[]", -32_600],
    ["[1]", -32_600],
    ['{"id":1,"method":"a"}', -32_600],
    ['{"jsonrpc":"2.0","id":null,"method":"tools/call"}', -32_600],
    ['{"jsonrpc":"2.0","id":{},"method":"tools/call"}', -32_600],
    ['{"jsonrpc":"2.0","id":1,"method":1}', -32_600],
    ['{"jsonrpc":"2.0","id":1}', -32_600],
    ['{"jsonrpc":"2.0","id":1,"METHOD":"tools/call","result":{}}', -32_600],
    ['{"jsonrpc":"2.0","id":1,"method":"a","result":{}}', -32_600],
    ['{"jsonrpc":"2.0","id":null,"result":{}}', -32_600],
    ['{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"Name":"paid"}}', -32_600],
    ['{"jsonrpc":"2.0","id":1,"method":"tools/call","params":7}', -32_600],
    ['{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}', -32_600],
    // To a look-up in JavaScript this list is the method itself.
    ['{"jsonrpc":"2.0","id":1,"method":["tools/call"],"params":{"name":"paid"},"result":{}}', -32_600],
    // Servers cannot repeat these ids, so that nothing would settle what they ran.
    ['{"jsonrpc":"2.0","id":1e400,"method":"tools/call"}', -32_600],
    ['{"jsonrpc":"2.0","id":"\\ud800","method":"tools/call"}', -32_600],
    [`{"jsonrpc":"2.0","id":"${"x".repeat(1_025)}","method":"tools/call"}`, -32_600],
  ])("is refused where it is unclear: %s", (text, code) => {
    expect(() => readClientParcel(text)).toThrow(expect.objectContaining({ code }));
  });
});

describe("what an upstream sends", () => {
  it("is read leniently, and refused where it is nothing of JSON-RPC", () => {
    expect(readServerParcel('{"id":1,"result":null}').messages[0]).toMatchObject({ kind: "response", id: 1 });
    expect(readServerParcel('{"id":null,"error":{}}').messages[0]).toMatchObject({
      kind: "response",
      id: null,
    });
    expect(() => readServerParcel('"hello"')).toThrow("object");
    expect(() => readServerParcel('{"id":1}')).toThrow("no JSON-RPC message");
  });
});
