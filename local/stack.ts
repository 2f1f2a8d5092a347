/** One local stack: all of its parts, started in order, supervised, stopped in order. */
import type { Sql } from "postgres";
import { log } from "../supabase/functions/_shared/log/log.ts";
import { startClock } from "./database/clock.ts";
import { createDataApi } from "./data_api/data_api.ts";
import { openDataFolder, type StackFile } from "./project/data_folder.ts";
import { embeddedDatabase, ownDatabase } from "./database/database.ts";
import { createDemoService } from "./seed/demo_service.ts";
import { type Deployment, forgetDeployed, watchDeployment } from "./project/deployment.ts";
import {
  emailAccount,
  functionsEnvironment,
  mailboxClient,
  modelKey,
  onCallAccount,
  secondAccount,
  telegramBot,
  TELNYX_NUMBER,
  telnyxAccount,
  TEXT_NUMBERS,
  textAccount,
  trafficToken,
  userSecrets,
  whatsappAccount,
} from "./project/environment.ts";
import { startFunctionsHost } from "./functions/process.ts";
import { startGateway } from "./gateway.ts";
import { businessSide } from "./conversations.ts";
import { maskedBusiness, maskedNumbers } from "./masked_org.ts";
import { createMailbox } from "./project/mailbox.ts";
import type { StartOptions } from "./options.ts";
import { createPanel } from "./panel/panel.ts";
import { join } from "../lib/paths.ts";
import { freePort } from "../lib/postgres/postgres.ts";
import { describeProcess } from "../lib/processes.ts";
import { playFirstMail } from "./first_mail.ts";
import { DEMO, seed } from "./seed/seed.ts";
import { createSimulator } from "./simulator/mod.ts";
import { createStorageApi, type StorageBucket } from "./storage/storage_api.ts";
import { PortInUse, UserError } from "../lib/user_error.ts";

export interface Stack {
  /** The content of stack.json. */
  file: StackFile;
  /** Stops everything; current work finishes first. */
  stop(): Promise<void>;
  /** Rejects if a part cannot be kept running; never resolves. */
  failed: Promise<never>;
}

/** Longest time until health answers 200, in milliseconds. */
const HEALTHY_WITHIN_MS = 60_000;
/** Longest time for the functions host of a killed run to end, in milliseconds. */
const LEFTOVER_MS = 5_000;
/** Only migrations make buckets, and each upload asks for them. */
const BUCKETS_MS = 1_000;

/** Number of free ports to try if any port will do: another program may take one first. */
const PORTS = 5;

/**
 * Starts a stack and resolves when it serves.
 * @param say Called for each step, with a line for the user.
 * @param choosePort Returns a free port if any port will do.
 * @throws UserError if it cannot start; parts that were started are stopped.
 */
export async function startStack(
  options: StartOptions,
  say: (line: string) => void,
  choosePort: () => number = freePort,
): Promise<Stack> {
  if (options.port !== 0) return await startOnPort(options, say);
  for (let tried = 1;; tried++) {
    try {
      return await startOnPort({ ...options, port: choosePort() }, say);
    } catch (error) {
      if (!(error instanceof PortInUse) || tried === PORTS) throw error;
    }
  }
}

async function startOnPort(options: StartOptions, say: (line: string) => void): Promise<Stack> {
  // Undone in reverse, at a stop and when a later step fails.
  const undo: (() => unknown)[] = [];
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    return { ...await start(options, say, undo), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function start(
  options: StartOptions,
  say: (line: string) => void,
  undo: (() => unknown)[],
): Promise<Omit<Stack, "stop">> {
  const { port } = options;
  const url = `http://127.0.0.1:${port}`;
  const folder = await openDataFolder(options.data, { fresh: options.fresh });
  undo.push(() => folder.release());
  const { keys } = folder;
  await forgetDeployed(folder.path);
  await requireFreePort(port, folder.left?.pids?.functions);
  const secrets = userSecrets(options.functions);

  // Either may be wanted before it can be done.
  let lost = () => {};
  let announce = () => {};
  const onRestart = (event: "died" | "back") => {
    say(event === "died" ? "Postgres died; restarting it." : "Postgres is back.");
    if (event === "died") lost();
    else announce();
  };
  say(options.databaseUrl ? "Connecting to DATABASE_URL" : "Starting Postgres");
  const database = options.databaseUrl
    ? await ownDatabase(options.databaseUrl)
    : await embeddedDatabase({ folder, port: port + 1, onRestart });
  undo.push(() => database.stop());
  const applied = await database.migrate(say);
  if (applied.length > 0) say(`Applied ${applied.length} migrations`);

  const email = createMailbox({ path: join(folder.path, "mails.txt"), page: `${url}/admin/` });
  const api = createDataApi({ dbUrl: database.url, ...keys, siteUrl: url, email });
  undo.push(() => api.close());
  lost = api.lost;
  const files = createStorageApi({
    folder: join(folder.path, "files"),
    ...keys,
    // Migrations make them, and each upload asks.
    buckets: remembered(
      () => database.sql<StorageBucket[]>`select id, file_size_limit::float8 from storage.buckets`,
      BUCKETS_MS,
    ),
  });
  if (options.seed) await seed({ sql: database.sql, keys, url, api });

  const whatsapp = whatsappAccount(keys, secrets);
  const mail = emailAccount(keys, secrets);
  const simulator = createSimulator({
    ...whatsapp,
    mail: {
      ...mail,
      inboundUrl: `${url}/functions/v1/email-webhook/inbound`,
      eventsUrl: `${url}/functions/v1/email-webhook/events`,
      folder: join(folder.path, "simulator.mail"),
    },
    texts: {
      ...textAccount(keys, secrets),
      numbers: [...TEXT_NUMBERS, ...await maskedNumbers(database.sql)],
      webhookUrl: `${url}/functions/v1/sms-webhook`,
    },
    telnyx: {
      ...telnyxAccount(keys, secrets),
      numbers: [TELNYX_NUMBER],
      webhookUrl: `${url}/functions/v1/sms-webhook/telnyx`,
      url: () => `${gateway.url}/simulator/telnyx`,
    },
    ai: { key: modelKey(keys, secrets) },
    telegram: { ...telegramBot(keys, secrets), webhookUrl: `${url}/functions/v1/telegram-webhook` },
    pagerDuty: { ...onCallAccount(keys), webhookUrl: `${url}/functions/v1/oncall-webhook/pagerduty` },
    masked: maskedBusiness({ sql: database.sql, url, secretKey: keys.secretKey }),
    mailboxes: mailboxClient(keys),
    accounts: [secondAccount(whatsapp)],
    business: businessSide(database.sql),
    webhookUrl: `${url}/functions/v1/wa-webhook`,
    dataFile: join(folder.path, "simulator.jsonl"),
    links: async () =>
      (await database.sql<{ code: string }[]>`
        select code from public.links where state = 'active' order by created_at desc, code limit 50`)
        .map(({ code }) => code),
  });
  const panel = createPanel({
    url,
    publishableKey: keys.publishableKey,
    async messagingIsOn() {
      const response = await fetch(`${url}/functions/v1/messages/me`);
      await response.body?.cancel();
      return response.status !== 404;
    },
  });
  // Only this stack answers here: another one's health is no proof that this one serves.
  const mark = `/${crypto.randomUUID()}`;
  const gateway = startGateway({
    [mark]: () => new Response(null, { status: 204 }),
    "/rest/v1": api.fetch,
    "/auth/v1": api.fetch,
    "/storage/v1": files.fetch,
    "/simulator": simulator.fetch,
    // A function reaches others as in a project.
    "/functions/v1": (request) => {
      const { pathname, search } = new URL(request.url);
      const { method, headers, body } = request;
      return fetch(url + pathname + search, { method, headers, body, redirect: "manual" });
    },
    // Where the public looks; on a host of its own it lies beside the panel.
    "/status": () => new Response(null, { status: 302, headers: { location: "/admin/status/" } }),
    "/admin": panel.fetch,
    "/messages": panel.messages,
    [DEMO.path]: demo(database.sql),
  });
  undo.push(() => gateway.stop());

  const deployed = ({ source, secrets }: Deployment) => ({
    host: { port, functions: source.functions, green: source.green, upstream: gateway.url },
    env: functionsEnvironment({
      url,
      keys,
      whatsapp: whatsappAccount(keys, secrets),
      apiUrl: gateway.url,
      dbUrl: database.url,
      secrets,
    }),
    config: source.config,
  });
  const own = { functions: options.functions };
  const host = startFunctionsHost({
    ...deployed({ source: own, secrets }),
    onRestart: (why) => {
      say(`The functions host ${why === "died" ? "died; it was restarted." : "was restarted."}`);
      announce();
    },
  });
  undo.push(() => host.stop());
  // First of these: its event streams to open pages would last for ever.
  undo.push(() => simulator.stop());
  const file = (): StackFile => ({
    url,
    dbUrl: database.url,
    publishableKey: keys.publishableKey,
    secretKey: keys.secretKey,
    admin: keys.admin,
    whatsapp: {
      appSecret: whatsapp.appSecret,
      verifyToken: whatsapp.verifyToken,
      phoneNumberId: whatsapp.phoneNumberId,
    },
    email: { apiToken: mail.apiToken, replyDomain: mail.replyDomain, sendDomain: mail.sendDomain },
    traffic: { token: trafficToken(keys, secrets) },
    functions: options.functions,
    pids: { supervisor: Deno.pid, functions: host.pid(), postgres: database.pid() },
  });
  announce = () => folder.announce(file());
  // Before anybody can ask for its health: who has got a 200 may read the file.
  announce();
  await Promise.race([
    answers(`${url}${mark}`).then(() => answers(`${url}/functions/v1/health`)),
    host.failed,
    database.failed,
  ]);
  let renewals = Promise.resolve();
  const watcher = watchDeployment(
    { data: folder.path, own },
    (deployment) => {
      say(`Secrets or functions changed; serving ${deployment.source.functions}`);
      renewals = renewals.then(() => host.renew(deployed(deployment)));
    },
    (error) => say(error instanceof UserError ? error.message : String(error)),
  );
  undo.push(() => (watcher.stop(), renewals));
  const clock = await startClock({ sql: database.sql, url, secretKey: keys.secretKey });
  undo.push(() => clock.stop());
  if (options.seed && options.mail) {
    const stopped = new AbortController();
    // Nobody waits for it; a part that fails is tried again at the next start.
    const playing = playFirstMail({
      ...{
        sql: database.sql,
        url,
        secretKey: keys.secretKey,
        mail: simulator.mail!,
        inboxes: simulator.inboxes!,
      },
      signal: stopped.signal,
    }).catch((error) => {
      if (!stopped.signal.aborted) log.error("the first mails were not played", { error });
    });
    undo.push(() => (stopped.abort(), playing));
  }
  return { file: file(), failed: Promise.race([host.failed, database.failed]) };
}

/** Waits for the functions host of a killed run, which ends by itself; ends it if it hangs in a function. */
async function requireFreePort(port: number, leftover: number | undefined): Promise<void> {
  const deadline = Date.now() + (leftover === undefined ? 0 : LEFTOVER_MS);
  let killed = false;
  for (;;) {
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
      return;
    } catch (error) {
      if (error instanceof Deno.errors.PermissionDenied) {
        throw new UserError(`Port ${port} requires root. Choose one above 1023 with --port.`);
      }
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
    if (Date.now() > deadline) {
      if (
        leftover === undefined || killed ||
        !/functions[/\\]host\.ts/.test(describeProcess(leftover)?.args ?? "")
      ) throw new PortInUse(port);
      Deno.kill(leftover, "SIGKILL");
      killed = true;
    }
    await new Promise((done) => setTimeout(done, 50));
  }
}

/** Reads a value at most once in so many milliseconds; one that cannot be read is asked for again. */
function remembered<T>(read: () => Promise<T>, ms: number): () => Promise<T> {
  let last: { at: number; value: Promise<T> } | undefined;
  return () => {
    if (last !== undefined && Date.now() - last.at < ms) return last.value;
    const value = read();
    last = { at: Date.now(), value };
    value.catch(() => last = undefined);
    return value;
  };
}

/** Resolves when a URL answers successfully. */
async function answers(url: string): Promise<void> {
  const deadline = Date.now() + HEALTHY_WITHIN_MS;
  let last = "nothing";
  while (Date.now() < deadline) {
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(10_000) });
      last = `${response.status} ${(await response.text()).slice(0, 500)}`;
      if (response.ok) return;
    } catch (error) {
      last = String(error);
    }
    await new Promise((done) => setTimeout(done, 25));
  }
  throw new UserError(`${url} did not answer 200. Its last answer: ${last}`);
}

/** The demo service, with the current secrets of its destination from the database. */
function demo(sql: Sql): (request: Request) => Promise<Response> {
  let secrets: string[] = [];
  // Deliveries that come side by side wait for the one reading.
  let reading: Promise<void> | undefined;
  let readAt = -Infinity;
  const serve = createDemoService({ secrets: () => secrets });
  return async (request) => {
    if (performance.now() - readAt > 1_000) {
      readAt = performance.now();
      reading = sql<{ secret: string }[]>`
        select s.secret from private.destination_secrets s join public.destinations d on d.id = s.destination_id
        where d.name = ${DEMO.name}`.then((rows) => {
        secrets = rows.map((row) => row.secret);
      });
    }
    await reading;
    return await serve(request);
  };
}
