import { assertEquals, assertThrows } from "../../../../tests/support/assert.ts";
import { forgetEnv } from "../config/env.ts";
import { Problem } from "../http/problem.ts";
import { type KeyOptions, requireKey } from "./keys.ts";

const ENV: Record<string, string> = {
  SUPABASE_SECRET_KEYS: '{"default":"sb_secret_one","worker":"sb_secret_two"}',
  SUPABASE_PUBLISHABLE_KEYS: '{"default":"sb_publishable_one"}',
};

function withKeys<T>(values: Record<string, string>, run: () => T): T {
  const names = [...Object.keys(ENV), "SUPABASE_SERVICE_ROLE_KEY", "SUPABASE_ANON_KEY"];
  const before = names.map((name) => [name, Deno.env.get(name)] as const);
  const { error } = console;
  console.error = () => {};
  for (const name of names) {
    values[name] === undefined ? Deno.env.delete(name) : Deno.env.set(name, values[name]);
  }
  forgetEnv();
  try {
    return run();
  } finally {
    console.error = error;
    for (const [name, value] of before) {
      value === undefined ? Deno.env.delete(name) : Deno.env.set(name, value);
    }
    forgetEnv();
  }
}

const cases: [string, Record<string, string>, KeyOptions, string][] = [
  ["secret key", { apikey: "sb_secret_one" }, {}, "secret default"],
  ["another secret key, by name", { apikey: "sb_secret_two" }, {}, "secret worker"],
  ["secret key where any will do", { apikey: "sb_secret_two" }, { kind: "any" }, "secret worker"],
  [
    "publishable key where any will do",
    { apikey: "sb_publishable_one" },
    { kind: "any" },
    "publishable default",
  ],
  ["publishable key where a secret one is needed", { apikey: "sb_publishable_one" }, {}, "forbidden"],
  ["no key", {}, {}, "unauthorized"],
  ["no key where any will do", {}, { kind: "any" }, "unauthorized"],
  ["empty key", { apikey: "" }, { kind: "any" }, "unauthorized"],
  ["unknown key", { apikey: "sb_secret_three" }, { kind: "any" }, "unauthorized"],
  ["start of a key", { apikey: "sb_secret_on" }, {}, "unauthorized"],
  ["key and more", { apikey: "sb_secret_one1" }, {}, "unauthorized"],
  ["name of a key", { apikey: "default" }, {}, "unauthorized"],
  ["bearer where it is not taken", { authorization: "Bearer sb_secret_one" }, {}, "unauthorized"],
  ["bearer where it is taken", { authorization: "Bearer sb_secret_one" }, { bearer: true }, "secret default"],
  ["X-API-Key where it is not taken", { "x-api-key": "sb_secret_one" }, {}, "unauthorized"],
  ["X-API-Key where it is taken", { "x-api-key": "sb_secret_one" }, { bearer: true }, "secret default"],
  ["unknown X-API-Key", { "x-api-key": "sb_secret_three" }, { bearer: true }, "unauthorized"],
  ["another scheme", { authorization: "Basic sb_secret_one" }, { bearer: true }, "unauthorized"],
];
for (const [label, headers, options, expected] of cases) {
  Deno.test(`requireKey(): ${label} -> ${expected}`, () => {
    withKeys(ENV, () => {
      let outcome: string;
      try {
        const { kind, name } = requireKey(new Headers(headers), options);
        outcome = `${kind} ${name}`;
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        outcome = error.code;
      }
      assertEquals(outcome, expected);
    });
  });
}

Deno.test("requireKey(): without keys in the environment nobody is admitted", () => {
  withKeys({}, () => {
    const problem = assertThrows(() => requireKey(new Headers({ apikey: "undefined" })), Problem);
    assertEquals(problem.code, "config_invalid");
  });
});

Deno.test("requireKey(): secret keys work if no publishable ones are configured", () => {
  withKeys({ SUPABASE_SECRET_KEYS: ENV.SUPABASE_SECRET_KEYS }, () => {
    assertEquals(requireKey(new Headers({ apikey: "sb_secret_one" })).kind, "secret");
    assertEquals(assertThrows(() => requireKey(new Headers({ apikey: "x" })), Problem).code, "unauthorized");
  });
});

Deno.test("requireKey(): recognises legacy keys by their value", () => {
  withKeys({ SUPABASE_SERVICE_ROLE_KEY: "eyJ.service", SUPABASE_ANON_KEY: "eyJ.anon" }, () => {
    assertEquals(requireKey(new Headers({ apikey: "eyJ.service" })), {
      kind: "secret",
      name: "service_role",
    });
    assertEquals(requireKey(new Headers({ apikey: "eyJ.anon" }), { kind: "any" }).kind, "publishable");
  });
});
