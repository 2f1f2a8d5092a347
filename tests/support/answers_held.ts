/**
 * Imported by modules that create a Data API in the test's own process: fails the test that gets a response
 * which does not fit the contract.
 */
import { watchAnswers } from "./answers.ts";

const misfits = new Set<string>();
watchAnswers((misfit) => misfits.add(misfit));

Deno.test.afterEach(() => {
  const found = [...misfits];
  misfits.clear();
  if (found.length > 0) {
    throw new Error(`the contract says otherwise of what was answered:\n${found.join("\n")}`);
  }
});
