import fc from "fast-check";
import { assertEquals, assertStringIncludes } from "../../../tests/support/assert.ts";
import { testSession } from "../../../tests/support/gatelink.ts";
import { holds } from "../../../tests/support/property.ts";
import { CliError } from "../../core/errors.ts";
import { type Taken, walk, type WalkStep } from "./walk.ts";

const WORDS = { title: "Setting up", done: "It is set up.", again: "gatelink setup" };

/** A step over a world that it changes; `breaks` makes acting fail. */
function stepOf(
  name: string,
  world: Set<string>,
  acted: string[],
  breaks: () => boolean = () => false,
): WalkStep {
  return {
    name,
    what: `make ${name}`,
    look: () =>
      Promise.resolve(world.has(name) ? { done: true, found: name } : { done: false, lacks: `no ${name}` }),
    act: () => {
      if (breaks()) return Promise.reject(new CliError("refused", `${name} broke`, "mend it"));
      acted.push(name);
      world.add(name);
      return Promise.resolve();
    },
  };
}

const states = (document: unknown) =>
  (document as { steps: Taken[] }).steps.map(({ name, state }) => `${name} ${state}`);

Deno.test("walk: a walk that is repeated after any failures ends, and acts once for each step", async () => {
  const failures = fc.array(fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }), { maxLength: 6 });
  await holds(fc.asyncProperty(fc.subarray(["a", "b", "c", "d", "e"]), failures, async (there, plan) => {
    const world = new Set(there), acted: string[] = [];
    for (const broken of [...plan, [false, false, false, false, false]]) {
      const steps = ["a", "b", "c", "d", "e"].map((name, i) => stepOf(name, world, acted, () => broken[i]));
      const missing = steps.findIndex(({ name }, i) => broken[i] && !world.has(name));
      const { failed } = await walk(testSession(), steps, WORDS);
      assertEquals(failed, missing >= 0);
    }
    assertEquals([...world].sort().join(""), "abcde");
    assertEquals(acted.sort(), ["a", "b", "c", "d", "e"].filter((name) => !there.includes(name as "a")));
  }));
});

Deno.test("walk: stops at the first failure, says what to do and how to go on", async () => {
  const world = new Set(["a"]), acted: string[] = [];
  const steps = [
    stepOf("a", world, acted),
    stepOf("b", world, acted),
    stepOf("c", world, acted, () => true),
    stepOf("d", world, acted),
  ];
  const { document, text, failed } = await walk(testSession(), steps, WORDS);
  assertEquals([states(document), failed, acted], [["a found", "b done", "c failed"], true, ["b"]]);
  assertStringIncludes(text, "mend it.\nThen repeat: gatelink setup");
});

Deno.test("walk: a dry run does nothing, and does not stop at what earlier steps would make", async () => {
  const world = new Set(["a"]), acted: string[] = [];
  const needsB: WalkStep = {
    name: "c",
    what: "make c",
    look: () =>
      world.has("b") ? Promise.resolve({ done: true, found: "c" }) : Promise.reject(new Error("no table")),
    act: () => Promise.resolve(),
  };
  const { document, failed } = await walk(
    testSession(),
    [stepOf("a", world, acted), stepOf("b", world, acted), needsB],
    WORDS,
    true,
  );
  assertEquals([states(document), failed, acted], [["a found", "b to_do", "c to_do"], false, []]);
});

Deno.test("walk: a look that fails first fails the dry run too", async () => {
  const broken: WalkStep = { name: "a", what: "", look: () => Promise.reject(new CliError("refused", "no")) };
  const { document, failed } = await walk(testSession(), [broken], WORDS, true);
  assertEquals([states(document), failed], [["a failed"], true]);
});

Deno.test("walk: an act after which the look still lacks something is a failure", async () => {
  const idle: WalkStep = {
    name: "a",
    what: "make a",
    look: () => Promise.resolve({ done: false, lacks: "nothing there" }),
    act: () => Promise.resolve(),
  };
  const { document } = await walk(testSession(), [idle], WORDS);
  assertEquals((document as { steps: Taken[] }).steps[0].detail, "It was done, and still: nothing there");
});

Deno.test("walk: what is not shown again is printed and in the document", async () => {
  const world = new Set<string>();
  const step = {
    ...stepOf("a", world, []),
    act: () => Promise.resolve(void world.add("a")).then(() => "secret x\nkeep it"),
  };
  const session = testSession();
  const { document } = await walk(session, [step], WORDS);
  assertEquals((document as { steps: Taken[] }).steps[0].shown, "secret x\nkeep it");
  assertStringIncludes(session.said.join("\n"), "                  secret x");
});
