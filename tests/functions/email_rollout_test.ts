/**
 * The rollout of reply tokens by its own plan, on the deployed functions: users send, people answer, the simulated
 * SendGrid takes forwards or refuses them, and the guard judges both arms.
 *
 * Only the clock is compressed: what was counted just now is moved to a minute of the month that the plan takes, with the
 * latencies of an idle machine, and the guard is asked as of then.
 */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { formOf, mimeOf } from "../../local/simulator/mail/mime.ts";
import { bucket } from "../../supabase/functions/_shared/flags/bucket.ts";
import { type Edge, edgeTest, KEYS } from "../support/edge.ts";
import { story } from "../support/signals.ts";

const FLAG = "email_reply_tokens.enabled";
const MINUTE = 60_000;
const ALEX = "alex@example.com";

let serial = 0;

/** Ids of users who have the flag at this percentage, or have it not; each new. */
function users(on: boolean, count: number, percentage: number): string[] {
  const found: string[] = [];
  while (found.length < count) {
    const id = `user-${++serial}`;
    if ((bucket(FLAG, id) < percentage * 100) === on) found.push(id);
  }
  return found;
}

/**
 * A mail of each user to a new person, and that person's answer to it; returns the address that each answer went to.
 * @param forwards What SendGrid answers to the forwards.
 */
async function exchange(
  edge: Edge,
  ids: readonly string[],
  forwards: "accept" | 400 = "accept",
): Promise<string[]> {
  const { call, mail, sql } = edge;
  const people = new Map<string, string>();
  const replyTo: string[] = [];
  for (let at = 0; at < ids.length; at += 20) {
    await Promise.all(
      ids.slice(at, at + 20).map(async (user_id) => {
        const to = `person-${++serial}@example.org`;
        const sent = await call("email-send", {
          headers: { apikey: KEYS.secretKey },
          body: { user_id, to, subject: "Hello", text: "Hello" },
        });
        assertEquals(sent.status, 202, JSON.stringify(sent.body));
        people.set(to, sent.body.id);
      }),
    );
    await edge.settled();
  }
  const sent = mail.sent.filter(({ to }) => people.has(to[0].email));
  assertEquals(sent.length, ids.length);
  mail.configure({ answer: forwards });
  for (let at = 0; at < sent.length; at += 20) {
    await Promise.all(
      sent.slice(at, at + 20).map(async ({ to: [{ email }], replyTo: answered }) => {
        replyTo.push(answered!.email);
        const answer = {
          from: { address: email, name: "Somebody" },
          to: answered!.email,
          subject: "Re: Hello",
          text: `An answer of ${email}.`,
          messageId: `${email.split("@")[0]}.answer@example.org`,
        };
        const { body, contentType } = formOf(mimeOf(answer, new Date()), answer);
        const { status } = await call("email-webhook/inbound", {
          headers: { "content-type": contentType, ...mail.poster.headersFor(body) },
          body,
        });
        assertEquals(status, 200);
      }),
    );
    await edge.settled();
  }
  mail.configure({ answer: "accept" });
  const [{ open }] = await sql`
    select count(*)::int as open from public.deliveries where state in ('pending', 'leased')`;
  assertEquals(open, 0, "every forward went, or was given up");
  return replyTo;
}

/** Moves what was counted just now to a minute of the compressed clock, each forward as one of 100 ms. */
async function countedAt({ sql }: Edge, at: Date): Promise<void> {
  await sql`
    with moved as (
      delete from public.flag_metrics where flag_key = ${FLAG} and minute <= clock_timestamp() returning *
    )
    insert into public.flag_metrics (flag_key, minute, arm, n, failed, timed, ms, le, failed_again)
    select flag_key, date_trunc('minute', ${at}::timestamptz), arm, sum(n), sum(failed), sum(timed), sum(timed) * 100,
      array(select case when e >= 100 then sum(moved.timed) else 0 end::integer from unnest(private.latency_edges()) e), sum(failed_again)
    from moved group by flag_key, arm`;
}

async function judged({ sql }: Edge, at: Date): Promise<string> {
  const [said] = await sql`
    select verdict, rule from private.advance_rollouts(${at}) where flag_key = ${FLAG}`;
  return `${said.verdict} ${said.rule}`;
}

/** An identity for all users, and the plan's rollout, started; legacy addresses until then. */
async function begin(edge: Edge): Promise<{ id: string; began: Date }> {
  const { sql, mail } = edge;
  mail.configure({ events: false });
  await edge.set({ [FLAG]: "false", "wa_send.rate_per_second": "10000" });
  await sql`
    insert into public.email_identities (from_email, display_name, forward_to, is_default, verified_at)
    values (${ALEX}, 'Alex', 'alex@corp.example', true, now())`;
  await sql`update public.senders set max_per_second = 1000 where channel = 'email'`;
  // What SendGrid refuses is tried once more at once.
  await sql`update public.destinations set retry_seconds = '{0}' where kind = 'inbox'`;
  const [{ id }] =
    await sql`select id from public.create_rollout(${FLAG}, '{"template": "replies"}', 'the plan')`;
  const [{ began }] = await sql`
    select stage_started_at as began from public.start_rollout(${id}, 1, 'a test: nobody signs here')`;
  await edge.reread();
  return { id, began };
}

edgeTest(
  "reply tokens: the plan goes from 10 to 100 % in 30 days, by what became of the replies",
  async (edge) => {
    const { sql } = edge;
    const { id, began } = await begin(edge);
    const stages = await sql`
    select name, percentage::float8 as percentage, hold_minutes from public.rollout_stages where rollout_id = ${id} order by position`;
    let now = began;
    for (const { name, percentage, hold_minutes } of stages) {
      const [{ stage }] = await sql`
      select s.name as stage from public.rollouts r join public.rollout_stages s on s.rollout_id = r.id and s.position = r.stage`;
      assertEquals(stage, name);
      const on = users(true, name === "month 1" ? 310 : 64, percentage);
      const off = percentage === 100 ? [] : users(false, 64, percentage);
      const addresses = await exchange(edge, [...on, ...off]);
      assertEquals(
        addresses.filter((address) => /^[a-z2-7]{16}@reply\.example\.com$/.test(address)).length,
        on.length,
        `those who have the flag send with tokens at ${name}`,
      );
      const end = new Date(now.getTime() + hold_minutes * MINUTE);
      await countedAt(edge, new Date(end.getTime() - 10 * MINUTE));
      assertEquals(await judged(edge, new Date(end.getTime() - 5 * MINUTE)), "hold hold_time", name);
      now = new Date(end.getTime() + 2 * MINUTE);
      if (name === "month 1") {
        // Outcomes alone are not the plan's targets: people have to say that threads are better.
        assertEquals(await judged(edge, now), "hold ratings");
        const ratings = on.slice(0, 6).map((subject) => ({ kind: "rating", subject, rating: 5, flag: FLAG }));
        await sql`select private.record_feedback(${sql.json(ratings)}, ${now})`;
      }
      assertEquals(await judged(edge, now), "advance criteria_met", name);
      await edge.reread();
    }
    const [rollout] = await sql`select state, finished_at from public.rollouts where id = ${id}`;
    assertEquals(rollout.state, "completed");
    assertEquals(Math.round((rollout.finished_at - began.getTime()) / 86_400_000), 30, "days");
    const [flag] = await sql`select value, metadata from public.settings where key = ${FLAG}`;
    assertEquals([flag.value, flag.metadata.rollout_percentage], ["true", 100]);
    await story(sql, id);
    const [{ replies }] = await sql`select public.email_overview(1) -> 'replies' as replies from (
    select set_config('request.jwt.claims', '{"role":"service_role"}', true)) s`;
    assertEquals(
      [replies.all, replies.forwarded, replies.failed],
      [758, 758, 0],
      "no reply was lost on the way",
    );
  },
);

edgeTest(
  "reply tokens: with 6 % of the token's replies failing the rollout takes itself back, and legacy replies go on",
  async (edge) => {
    const { sql } = edge;
    const { id, began } = await begin(edge);
    for (const stage of [2, 3]) {
      await sql`select public.advance_rollout(${id}, (select version from public.rollouts), ${`to stage ${stage}`})`;
    }
    await edge.reread();
    // An hour on, so that what was moved is never reached by the clock of the machine.
    const first = (Math.floor(began.getTime() / MINUTE) + 60) * MINUTE;
    let verdict = "", minute = 0;
    for (; !verdict.startsWith("roll_back") && minute < 16; minute++) {
      // 3 of 50: SendGrid refuses the forwards of their answers for good.
      await exchange(edge, [...users(true, 47, 50), ...users(false, 50, 50)]);
      await exchange(edge, users(true, 3, 50), 400);
      await countedAt(edge, new Date(first + minute * MINUTE));
      verdict = await judged(edge, new Date(first + (minute + 1) * MINUTE + 25_000));
    }
    assertEquals(verdict, "roll_back error_rate_relative", `after ${minute} minutes`);
    const [flag] = await sql`select value from public.settings where key = ${FLAG}`;
    assertEquals(flag.value, "false");
    const [incident] = await sql`select flag_key, severity from public.incidents`;
    assertEquals({ ...incident }, { flag_key: FLAG, severity: "P0" });
    assertMatch(
      (await story(sql, id)).at(-1)!,
      /^more fail with the flag on than without it: the flag is off$/,
    );

    // Everybody sends with legacy addresses again, and answers to them, and to tokens that are out, are forwarded.
    await edge.reread();
    const forwards = async () =>
      (await sql`select count(forwarded_at)::int as n from public.email_replies`)[0].n;
    const before = await forwards();
    const addresses = await exchange(edge, [...users(true, 5, 50), ...users(false, 5, 50)]);
    assert(addresses.every((address) => /^msg_[0-9a-f-]{36}\./.test(address)), addresses[0]);
    assertEquals(await forwards() - before, 10);
    const [{ arms }] = await sql`
      select array_agg(distinct via || ' ' || arm) as arms from public.email_replies where forwarded_at is not null`;
    assertEquals(arms.toSorted(), ["legacy off", "token on"]);
  },
);
