/** The pages at /messages/ in Chromium: an organisation on the stack of the test's file, with people who sign in. */
import type { Sql } from "postgres";
import type { Page } from "playwright-core";
import { buildPanel } from "../../local/panel/build.ts";
import { TEXT_NUMBERS } from "../../local/project/environment.ts";
import { PATIENCE_MS } from "./chromium.ts";
import { configKnown, fileStack } from "./file_stack.ts";
import type { OpenOptions } from "./panel.ts";
import { watch } from "./page.ts";
import type { RunningStack } from "./stack.ts";

export const CLIENT = "+12025550143", SITTER = "+12025550144", STRANGER = "+12025550149";
export const [DESK, POOL] = TEXT_NUMBERS;
/** What detection holds. */
export const POACHING = "Text me at 202-555-0190 instead, it's cheaper without the app";
export const ON = { "messaging_v1.enabled": "true", "sitter_messages_v1.enabled": "true" };

/** Somebody who can sign in: the owner and two sitters of the organisation, and the owner of another one. */
export type Who = "owner" | "sitter" | "colleague" | "elsewhere";

/** A text that the simulated Twilio took. */
export interface Taken {
  direction: string;
  from: string;
  to: string;
  body: string;
}

/** What a test of the pages works with. */
export interface Messages {
  stack: RunningStack;
  sql: Sql;
  /** Address of the pages. */
  url: string;
  org: string;
  password: string;
  /** Sets flags, and waits until the functions know. */
  set(flags: Readonly<Record<string, string>>): Promise<void>;
  /** A page of a browser of its own, as a person who signed in some time ago, or as nobody. */
  open(who?: Who, options?: OpenOptions): Promise<Page>;
  /** Assigns the sitter to a weekly booking of the client that begins in so many hours and lasts two. */
  assign(inHours: number): Promise<void>;
  /** Somebody writes from a phone. */
  text(from: string, to: string, body: string): Promise<void>;
  /** What was sent to phones, oldest first. */
  sent(): Promise<Taken[]>;
}

interface Prepared {
  org: string;
  client: string;
  member: string;
  sessions: Record<Who, string>;
}

const emailOf = (who: Who) => `${who}@moss.example`;

async function auth(stack: RunningStack, path: string, who: Who): Promise<Record<string, unknown>> {
  const response = await fetch(`${stack.url}/auth/v1/${path}`, {
    method: "POST",
    headers: { apikey: stack.stack.publishableKey, "content-type": "application/json" },
    body: JSON.stringify({ email: emailOf(who), password: stack.stack.admin.password }),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${path} of ${who}: ${response.status} ${JSON.stringify(answer)}`);
  return answer;
}

async function prepare(stack: RunningStack, sql: Sql): Promise<Prepared> {
  await buildPanel();
  const addOrg = async (name: string) =>
    (await sql`select public.set_org(null, ${sql.json({ name, zone: "Europe/Berlin" })}) ->> 'id' as org`)[0]
      .org as string;
  const org = await addOrg("Moss Pet Care"), fern = await addOrg("Fern");
  for (const [number, kind] of [[DESK, "front_desk"], [POOL, "pool"]]) {
    await sql`select public.set_org_number(${org}, ${number.slice(1)}, ${kind})`;
  }
  const person = async (name: string, phone: string) => {
    const [{ id }] =
      await sql`insert into public.contacts (channel, name) values ('sms', ${name}) returning id`;
    await sql`
      insert into public.contact_identities (contact_id, channel, kind, value)
      values (${id}, 'sms', 'phone', ${phone.slice(1)})`;
    return id as string;
  };
  const client = await person("Ada Lovelace", CLIENT);
  const phones: Record<Who, string | null> = {
    owner: null,
    sitter: await person("Sam Field", SITTER),
    colleague: await person("Kim Reed", "+12025550145"),
    elsewhere: null,
  };
  let member = "";
  const sessions: Partial<Record<Who, string>> = {};
  for (const who of ["owner", "sitter", "colleague", "elsewhere"] as const) {
    await auth(stack, "signup", who);
    const session = await auth(stack, "token?grant_type=password", who);
    sessions[who] = JSON.stringify({
      expires_at: Math.floor(Date.now() / 1000) + Number(session.expires_in),
      ...session,
    });
    const role = who === "owner" || who === "elsewhere" ? "owner" : "sitter";
    const [{ id }] = await sql`
      select public.set_org_member(${who === "elsewhere" ? fern : org}, ${role}, u.id, ${
      phones[who]
    }) ->> 'id' as id
      from auth.users u where u.email = ${emailOf(who)}`;
    if (who === "sitter") member = id;
  }
  return { org, client, member, sessions: sessions as Record<Who, string> };
}

const onStack = fileStack({ prepare });

/** Runs a test on running pages. Fails if one threw, or called another origin than the stack. */
export function messagesTest(name: string, test: (messages: Messages) => Promise<void>): void {
  onStack(name, async ({ browser, stack, sql, prepared: { org, client, member, sessions } }) => {
    const watched: ReturnType<typeof watch>[] = [];
    const url = `${stack.url}/messages/`;
    const twilio = `${stack.url}/simulator/twilio`;
    await test({
      ...{ stack, sql, url, org, password: stack.stack.admin.password },
      async set(flags) {
        for (const [key, value] of Object.entries(flags)) {
          await sql`
            insert into public.settings (key, value, metadata) values (${key}, ${value}, '{"rollout_percentage": 100}')
            on conflict (key) do update set value = excluded.value`;
        }
        await configKnown(stack, sql);
      },
      async open(who, { clock, ...options } = {}) {
        const kept = who === undefined
          ? []
          : [{ name: `gatelink-${new URL(stack.url).host}`, value: sessions[who] }];
        const context = await browser.newContext({
          reducedMotion: "reduce",
          storageState: { cookies: [], origins: [{ origin: stack.url, localStorage: kept }] },
          ...options,
        });
        context.setDefaultTimeout(PATIENCE_MS);
        if (clock) await context.clock.install();
        const page = await context.newPage();
        watched.push(watch(page, stack.url));
        await page.goto(url);
        return page;
      },
      async assign(inHours) {
        const at = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString().slice(0, 19);
        const booking = {
          client_id: client,
          starts_local: at(inHours),
          ends_local: at(inHours + 2),
          zone: "UTC",
          repeats: "weekly",
        };
        const rpc = async (name: string, args: unknown) => {
          const response = await stack.rpc(name, args);
          const answer = await response.json();
          if (!response.ok) throw new Error(`${name}: ${response.status} ${JSON.stringify(answer)}`);
          return answer;
        };
        // As the organisation's own system does it.
        const { id } = await rpc("set_booking", {
          p_org: org,
          p_external_id: `booking ${inHours}`,
          p_booking: booking,
        });
        await rpc("assign_sitter", { p_booking: id, p_member: member, p_proactive: true });
      },
      async text(from, to, body) {
        const response = await fetch(`${twilio}/receive`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ from, to, body }),
        });
        await response.body?.cancel();
        if (!response.ok) throw new Error(`the simulator answered ${response.status}`);
      },
      async sent() {
        const { messages } = await (await fetch(`${twilio}/texts`)).json() as { messages: Taken[] };
        return messages.filter(({ direction }) => direction !== "inbound");
      },
    });
    const faults = watched.flatMap(({ errors, foreign }) => [
      // The browser writes a refusal to the console, which the page shows itself.
      ...errors.filter((text) => !/Failed to load resource/.test(text)),
      ...foreign,
    ]);
    if (faults.length > 0) throw new Error(faults.join("\n"));
  });
}

/** Opens the conversation with the client from the list. */
export async function openThread(page: Page, client = "Ada Lovelace"): Promise<void> {
  await page.getByRole("link", { name: new RegExp(client) }).click();
  await page.getByRole("heading", { name: client, level: 2 }).waitFor();
}

/** A text of the open conversation. */
export const said = (page: Page, text: string) =>
  page.getByRole("log").getByText(text, { exact: true }).first();
