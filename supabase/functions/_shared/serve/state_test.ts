import { assertEquals } from "../../../../tests/support/assert.ts";
import { forgetEnv } from "../config/env.ts";
import type { Config } from "../db/config.ts";
import { serve } from "./serve.ts";
import { state, STATE_HEADER } from "./state.ts";
import { Problem } from "../http/problem.ts";
import "../../../../tests/support/flushed.ts";

const CONFIG: Config = {
  revision: 7,
  settings: [
    { key: "deeplinks.enabled", value: "true", metadata: { rollout_percentage: 1 }, version: 2 },
    { key: "wa_send.enabled", value: "true", metadata: { rollout_percentage: 0 }, version: 2 },
  ],
  segments: {},
  routes: [],
  destinations: [],
  allowlist: [],
  unreadable: [],
};

const ENVIRONMENT = {
  SUPABASE_SECRET_KEYS: '{"default":"secret-key"}',
  SUPABASE_PUBLISHABLE_KEYS: '{"default":"publishable-key"}',
  GATELINK_VERSION: "abc",
  DEEPLINKS_ENABLED: "false",
};

async function withEnvironment<T>(use: () => Promise<T>): Promise<T> {
  const before = Object.keys(ENVIRONMENT).map((name) => [name, Deno.env.get(name)] as const);
  for (const [name, value] of Object.entries(ENVIRONMENT)) Deno.env.set(name, value);
  forgetEnv();
  try {
    return await use();
  } finally {
    for (const [name, value] of before) {
      value === undefined ? Deno.env.delete(name) : Deno.env.set(name, value);
    }
    forgetEnv();
  }
}

const headers = (flag: string) => new Headers({ apikey: "secret-key", [STATE_HEADER]: flag });

Deno.test("state(): version, switches, revision, and the flag as the gates evaluate it", async () => {
  await withEnvironment(async () => {
    const of = async (
      flag: string,
    ) => (await (await state("fn", headers(flag), () => Promise.resolve(CONFIG))).json());
    assertEquals(await of("deeplinks.enabled"), {
      function: "fn",
      version: "abc",
      kill_switches: { DEEPLINKS_ENABLED: false },
      config_revision: 7,
      flag: { key: "deeplinks.enabled", killed: true, on: true },
    });
    assertEquals((await of("wa_send.enabled")).flag, { key: "wa_send.enabled", killed: false, on: false });
    assertEquals((await of("gone.enabled")).flag, { key: "gone.enabled", killed: false, on: false });
  });
});

Deno.test("state(): without a database it still reports the environment", async () => {
  const { warn } = console;
  console.warn = () => {};
  try {
    await withEnvironment(async () => {
      const away = () => Promise.reject(new Problem("database_unavailable"));
      const said = await (await state("fn", headers("deeplinks.enabled"), away)).json();
      assertEquals([said.config_revision, said.flag], [
        null,
        { key: "deeplinks.enabled", killed: true, on: null },
      ]);
    });
  } finally {
    console.warn = warn;
  }
});

Deno.test("serve(): a request with the header is answered with the state, for secret keys only", async () => {
  await withEnvironment(async () => {
    const { fetch } = serve("fn", { POST: () => new Response("handled") });
    const ask = async (apikey: string) => {
      const response = await fetch(
        new Request("http://localhost/fn/x", { headers: { apikey, [STATE_HEADER]: "x" } }),
      );
      const body = await response.json();
      return [response.status, body.code ?? body.function];
    };
    assertEquals(await ask("publishable-key"), [403, "forbidden"]);
    assertEquals(await ask("nobody"), [401, "unauthorized"]);
    const answer = await fetch(new Request("http://localhost/fn", { method: "POST" }));
    assertEquals(await answer.text(), "handled");
  });
});
