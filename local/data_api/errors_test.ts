import { assertEquals } from "../../tests/support/assert.ts";
import { isOutage } from "./errors.ts";

Deno.test("isOutage(): covers lost and refused connections, whatever the code", () => {
  const cases: [error: unknown, outage: boolean][] = [
    [{ code: "57P01", severity: "FATAL" }, true],
    [{ code: "53300", severity: "FATAL" }, true],
    // "database … is not currently accepting connections"
    [{ code: "55000", severity: "FATAL" }, true],
    [{ code: "55000", severity: "ERROR" }, false],
    [{ code: "08006" }, true],
    [{ code: "ECONNREFUSED" }, true],
    [{ code: "23505", severity: "ERROR" }, false],
    [new Error("no code"), false],
    [undefined, false],
  ];
  for (const [error, outage] of cases) assertEquals(isOutage(error), outage, JSON.stringify(error));
});
