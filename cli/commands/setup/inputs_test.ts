import { assertEquals, assertRejects } from "../../../tests/support/assert.ts";
import { CliError } from "../../core/errors.ts";
import { Inputs } from "./inputs.ts";

const WANTED = {
  name: "KEY",
  about: "the key",
  wrong: (value: string) => value === "hunter2" ? "it is malformed" : undefined,
};

function inputs(env: Record<string, string>, typed?: string) {
  const asked: string[] = [];
  const secret = (prompt: string) => {
    asked.push(prompt);
    return Promise.resolve(typed);
  };
  return { asked, inputs: new Inputs({ env, secret }) };
}

Deno.test("inputs: a value of the environment is not asked for", async () => {
  const { asked, inputs: made } = inputs({ KEY: " k \n" }, "other");
  assertEquals([await made.value(WANTED), asked], ["k", []]);
});

Deno.test("inputs: a missing value is asked for once, with what it is", async () => {
  const { asked, inputs: made } = inputs({}, "typed");
  assertEquals(await made.value(WANTED), "typed");
  assertEquals(await made.value(WANTED), "typed");
  assertEquals(asked, ["KEY (the key): "]);
});

Deno.test("inputs: without a terminal, and for a wrong value, the error names the variable and never the value", async () => {
  const cases: [env: Record<string, string>, typed: string | undefined][] = [
    [{}, undefined],
    [{}, ""],
    [{ KEY: "hunter2" }, undefined],
    [{}, "hunter2"],
  ];
  for (const [env, typed] of cases) {
    const { code, message, hint } = await assertRejects(
      () => inputs(env, typed).inputs.value(WANTED),
      CliError,
    );
    assertEquals([code, message.includes("KEY"), `${message} ${hint}`.includes("hunter2")], [
      "usage",
      true,
      false,
    ]);
  }
});
