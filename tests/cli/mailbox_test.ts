/** `gatelink mailbox` on a real stack, with the simulated Google: connecting, what the doctor finds, disconnecting. */
import { assertEquals, assertMatch } from "../support/assert.ts";
import { findingsOf } from "../../cli/commands/mailbox/doctor.ts";
import type { Mailbox } from "../../supabase/functions/_shared/contract/answers/mailboxes.ts";
import { document, fails, gatelink, sql, stack } from "../support/cli.ts";

const SAM = "sam@bakery.example";

/** Signs in at the stand-in, as somebody does in a browser. */
async function signIn(url: string): Promise<string> {
  const response = await fetch(url, {
    method: "POST",
    body: new URLSearchParams({ account: SAM, read: "on" }),
  });
  return await response.text();
}

Deno.test("gatelink mailbox: connect, list, takes, doctor, disconnect", async () => {
  assertMatch((await gatelink("mailbox list")).out, /No mailbox is connected/);
  const { url } = await document("mailbox connect --provider google");
  assertMatch(await signIn(url), /sam@bakery\.example is connected/);
  assertMatch(await signIn(url), /mailbox_not_connected/, "the address counts once");
  const [{ address, state, sends }] = await document("mailbox list");
  assertEquals([address, state, sends], [SAM, "active", true]);
  assertEquals((await document(`mailbox takes ${SAM} all`)).takes, "all");
  await fails(`mailbox takes ${SAM} some`, 2, "usage", /replies, all/);

  const healthy = await document("mailbox doctor");
  assertEquals(healthy.findings.filter(({ level }: { level: string }) => level === "problem"), []);
  assertEquals(
    healthy.enter["Google, authorised redirect URI"],
    `${stack.url}/functions/v1/mailboxes/callback/google`,
  );
  await fetch(`${stack.url}/simulator/mailboxes/revoke`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ address: SAM }),
  }).then((response) => response.body?.cancel());
  await sql`update private.mailbox_tokens set refresh_at = now(), expires_at = now()`;
  const { code, out } = await gatelink("mailbox doctor");
  assertEquals(code, 1);
  assertMatch(out, /mailbox_reauthorise/);
  assertMatch((await gatelink("mailbox doctor")).out, /gatelink mailbox connect --provider google/);
  assertMatch((await gatelink("mailbox list")).out, /connect it again: invalid_grant/);

  await fails(`mailbox disconnect ${SAM}`, 2, "usage", /stays connected/);
  assertEquals((await document(`mailbox disconnect ${SAM} --yes`)).address, SAM);
  await fails(`mailbox disconnect ${SAM} --yes`, 4, "not_found", /no mailbox/);
  await fails(
    "mailbox connect --provider google --identity nobody@example.com",
    4,
    "not_found",
    /no identity/,
  );
});

const MAILBOX: Mailbox = {
  id: "00000000-0000-7000-8000-000000000001",
  identity: "00000000-0000-7000-8000-000000000002",
  from_email: SAM,
  sends: true,
  provider: "google",
  address: SAM,
  state: "active",
  state_at: "2026-11-30T10:00:00Z",
  error: null,
  takes: "replies",
  scopes: [],
  connected_at: "2026-11-30T10:00:00Z",
  connected_by: "key:default",
  refreshed_at: "2026-11-30T10:00:00Z",
  failures: 0,
  keys: ["main"],
  reading: { read_at: "2026-11-30T10:00:00Z", failures: 0, error: null, resynced_at: null },
};

Deno.test("gatelink mailbox doctor: what it finds", () => {
  const ready = { ready: true, missing: [] as string[], redirect_uri: "" };
  const bare = { ready: false, missing: ["GOOGLE_CLIENT_ID: it is not set"], redirect_uri: "" };
  const setup = { google: ready, microsoft: ready, keys: ["main"] };
  const found = (
    change: Partial<Mailbox>,
    { check = { ok: true, code: null, detail: null }, with: given = setup, at = "2026-11-30T10:05:00Z" }: {
      check?: { ok: boolean; code: string | null; detail: string | null };
      with?: typeof setup;
      at?: string;
    } = {},
  ) =>
    findingsOf(given, [{ ...MAILBOX, ...change }], new Map([[MAILBOX.id, check]]), Date.parse(at))
      .filter(({ level }) => level !== "ok").map(({ level, about, what }) => `${level} ${about}: ${what}`);
  assertEquals(found({}), []);
  assertEquals(found({ state: "reauthorise", error: "invalid_grant: x" }), [
    `problem ${SAM}: google ended the access: invalid_grant: x`,
  ]);
  assertEquals(found({}, { check: { ok: false, code: "invalid_client", detail: "expired" } }), [
    `problem ${SAM}: invalid_client: expired`,
  ]);
  assertEquals(found({ keys: ["main", "old"] }), [`warning ${SAM}: its tokens are sealed with old`]);
  assertEquals(found({ sends: false }), [`warning ${SAM}: ${SAM} sends another way`]);
  assertEquals(found({}, { at: "2026-11-30T10:16:00Z" }), [
    `warning ${SAM}: no answers were read for 15 minutes`,
  ]);
  assertEquals(found({}, { with: { ...setup, google: bare, keys: [] } }), [
    "problem google: GOOGLE_CLIENT_ID: it is not set",
    "problem SEALING_KEYS: there is no key to encrypt tokens with",
    `warning ${SAM}: its tokens are sealed with main`,
  ]);
  assertEquals(
    findingsOf({ ...setup, google: bare, microsoft: bare }, [], new Map(), 0).map(({ level }) => level),
    [
      "warning",
      "warning",
    ],
  );
});
