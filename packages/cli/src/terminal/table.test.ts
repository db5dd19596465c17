import { expect, it } from "vitest";
import { fields, table } from "./table.ts";

it("groups numbers and sets them right, whatever the width of the other cells", () => {
  const text = table(
    ["NAME", "CALLS"],
    [
      ["天気", 1_234_567],
      ["x", 5],
    ],
  );
  expect(text).toBe("NAME      CALLS\n天気  1,234,567\nx             5\n");
});

it("shows what is missing as a dash", () => {
  expect(table(["A", "B"], [[null, ""]])).toBe("A  B\n-  -\n");
});

it("lets no text from outside move the cursor, hide a line or turn it round", () => {
  const text = table(["NAME"], [["\u001b[2Jgone\r\n\u202Eevil"]]);
  expect(text).toBe("NAME\n\u{fffd}[2Jgone\u{fffd}\u{fffd}\u{fffd}evil\n");
});

it("leaves out members that are undefined, and shows those that are null", () => {
  expect(
    fields([
      ["id", "1"],
      ["closed", null],
      ["total", undefined],
    ]),
  ).toBe("id      1\nclosed  -\n");
});
