/** What is said where a program is missing. */
import { assertEquals } from "../support/assert.ts";
import { hasProgram } from "../support/program.ts";

Deno.test("hasProgram(): a test whose program is missing is reported as NOT run", async () => {
  const warn = console.warn;
  const said: unknown[] = [];
  console.warn = (line) => said.push(line);
  try {
    assertEquals(await hasProgram(Deno.execPath(), "nothing"), true);
    assertEquals(said, []);
    assertEquals(await hasProgram("nobody-has-this", "the sample"), false);
    assertEquals(said, ["nobody-has-this was not found, so the sample is NOT run."]);
  } finally {
    console.warn = warn;
  }
});
