import { expect, it } from "vitest";
import { differenceFound } from "./check-time-zones.ts";

it("advises for each zone, by what is wrong with it", () => {
  const at = { month: "2026-12", startsAt: new Date("2026-12-01T00:00:00Z") };
  const { message, advice } = differenceFound([
    { timeZone: "CET", isAllowed: false, ...at },
    { timeZone: "Israel", isAllowed: true, ...at },
    { timeZone: "WET", isAllowed: false, ...at },
  ]);
  for (const zone of ["CET", "Israel", "WET"]) expect(message).toContain(`In ${zone} the database begins`);
  expect(advice).toMatch(/CET, WET for an abbreviation.*Of Israel, one of them has old data/);
});
