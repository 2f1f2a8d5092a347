/** `POST wa-router/team/invitations` on a real database, with the local stack's Auth: answers, refusals, and what is noted. */
import { assertEquals } from "../support/assert.ts";
import { forgetEnv } from "../../supabase/functions/_shared/config/env.ts";
import { forgetRefusal } from "../../supabase/functions/_shared/db/schema.ts";
import { edgeTest, KEYS } from "../support/edge.ts";
import { witness } from "../support/openapi.ts";

const KEY = { apikey: KEYS.secretKey };
const PATH = "/wa-router/team/invitations";

edgeTest("team/invitations: every described answer occurs as described", async (edge) => {
  const { sql } = edge;
  const { see, assertAllMet } = witness();
  const invite = (body: unknown, headers: HeadersInit = KEY, method = "POST") =>
    edge.call("wa-router/team/invitations", { headers, body, method });
  const grace = { email: "grace@example.com", role: "operator" };
  const first = await invite(grace);
  see(PATH, "post", 201, first);
  assertEquals([first.body.email, first.body.role], [grace.email, "operator"]);
  const [row] = await sql`
    select i.sends, i.invited_by, u.email, u.email_confirmed_at from public.team_invitations i join auth.users u on u.id = i.user_id`;
  assertEquals({ ...row }, {
    sends: 1,
    invited_by: "key:default",
    email: grace.email,
    email_confirmed_at: null,
  });
  const again = await invite({ ...grace, role: "viewer" });
  assertEquals([again.status, again.body.id, again.body.role], [201, first.body.id, "viewer"]);
  assertEquals((await sql`select sends from public.team_invitations`)[0].sends, 2);
  see(PATH, "post", 400, await invite("{"));
  see(PATH, "post", 401, await invite(grace, {}));
  see(PATH, "post", 403, await invite(grace, { apikey: KEYS.publishableKey }));
  see(PATH, "post", 405, await edge.call("wa-router/team/invitations", { headers: KEY, method: "GET" }));
  see(PATH, "post", 413, await invite({ ...grace, email: `${"x".repeat(5000)}@example.com` }));
  see(PATH, "post", 422, await invite({ ...grace, role: "owner" }));
  see(PATH, "post", 422, await invite({ ...grace, email: "grace" }));
  // A page elsewhere cannot have the link of the mail lead to itself.
  see(PATH, "post", 422, await invite({ ...grace, return_to: "https://elsewhere.example.org/" }));
  await sql`insert into auth.users (id, email, email_confirmed_at) values (gen_random_uuid(), 'ada@example.com', now())`;
  see(PATH, "post", 409, await invite({ ...grace, email: "Ada@example.com" }));
  see(PATH, "options", 204, {
    ...await edge.call("wa-router/team/invitations", { method: "OPTIONS" }),
    body: undefined,
  });
  await edge.away(async () => see(PATH, "post", 503, await invite(grace)));
  forgetRefusal();
  await sql`
    insert into public.rate_limits (key, tat, allowed) values ('invitation:key:default', now() + interval '1 hour', true)
    on conflict (key) do update set tat = excluded.tat`;
  see(PATH, "post", 429, await invite(grace));
  await sql`delete from public.rate_limits`;
  // Auth invites nobody who has an account, though this one cannot sign in.
  await sql`
    insert into auth.users (id, email, email_confirmed_at, banned_until)
    values (gen_random_uuid(), 'banned@example.com', now(), now() + interval '1 day')`;
  see(PATH, "post", 502, await invite({ ...grace, email: "banned@example.com" }));
  assertEquals(
    (await sql`select sent_at from public.team_invitations where email = 'banned@example.com'`)[0].sent_at,
    null,
    "it is kept, to be sent again",
  );
  const refused = async () => {
    see(PATH, "post", 503, await invite(grace));
    forgetRefusal();
  };
  await sql`insert into private.schema_breaks (version, why) values ('20991231000000', 'a test')`;
  await refused();
  await sql`delete from private.schema_breaks`;
  await sql`alter function public.start_invitation(text, text, text) rename to begin_invitation`;
  await refused();
  await sql`alter function public.begin_invitation(text, text, text) rename to start_invitation`;
  Deno.env.set("FEATURE_ENABLED", "false");
  await refused();
  Deno.env.delete("FEATURE_ENABLED");
  const before = Deno.env.get("SUPABASE_SECRET_KEYS")!;
  Deno.env.delete("SUPABASE_SECRET_KEYS");
  forgetEnv();
  see(PATH, "post", 500, await invite(grace));
  Deno.env.set("SUPABASE_SECRET_KEYS", before);
  forgetEnv();
  assertAllMet((path) => path === PATH);
});
