/** The function `deeplinks` on a database of its own, through the real Data API, as one isolate would run it. */
import type { JSONValue, Sql } from "postgres";
import "./answers_held.ts";
import { createDataApi } from "../../local/data_api/data_api.ts";
import { forgetRefusal, isTooOld } from "../../supabase/functions/_shared/db/schema.ts";
import { watch } from "./guard.ts";
import { testDatabase } from "./postgres.ts";

/** Keys of the test's project. */
export const KEYS = {
  secretKey: "sb_secret_links_test",
  publishableKey: "sb_publishable_links_test",
} as const;
/** The business number. */
export const NUMBER = { id: "301245600017789", display: "12025550100" } as const;
/** A phone's browser. */
export const IPHONE =
  "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1";
/** Another phone's. */
export const ANDROID =
  "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36";
/** What WhatsApp reads previews with. */
export const WHATSAPP = "WhatsApp/2.24.11.79 A";

for (
  const [name, value] of Object.entries({
    // Each isolate is told its own. What is counted is refused here at once, and no name server asked.
    SUPABASE_URL: "http://127.0.0.1:9",
    SUPABASE_SECRET_KEYS: JSON.stringify({ default: KEYS.secretKey }),
    SUPABASE_PUBLISHABLE_KEYS: JSON.stringify({ default: KEYS.publishableKey }),
    CLIENT_IP_HEADER: "x-real-ip",
  })
) Deno.env.set(name, value);

const { createRpc } = await import("../../supabase/functions/_shared/db/client.ts");
const { createConfigLoader } = await import("../../supabase/functions/_shared/db/config.ts");
const { forgetCounted } = await import("./flushed.ts");
const { forgetEnv } = await import("../../supabase/functions/_shared/config/env.ts");
const { serve } = await import("../../supabase/functions/_shared/serve/serve.ts");
const { createAuthorise } = await import("../../supabase/functions/_shared/gates/team.ts");
const { createDeeplinks } = await import("../../supabase/functions/deeplinks/compose.ts");

/** Options of a request. */
export interface CallOptions {
  method?: string;
  headers?: Record<string, string>;
  /** Sent as JSON unless it is a string. */
  body?: unknown;
  /** Without the secret key. */
  open?: boolean;
  /** The path is one of the host, not one below the function. */
  root?: boolean;
}

/** An isolate of the function. */
export interface Isolate {
  /** Calls an address below the function; management is given the secret key. */
  // deno-lint-ignore no-explicit-any
  call(path: string, options?: CallOptions): Promise<{ status: number; headers: Headers; body: any }>;
  /** A visit of a link, by default from an iPhone, without following it. */
  visit(code: string, headers?: Record<string, string>, query?: string): Promise<Response>;
  /** Posts to an address below the function as a browser does, without following the answer. */
  post(path: string, headers: Record<string, string>, body?: string): Promise<Response>;
  /** Makes a link and gives its code. */
  link(body: object): Promise<string>;
  /** Resolves when all clicks are in the database. */
  flush(): Promise<void>;
  /** Lets it look again at what changed. */
  refresh(): Promise<void>;
  /** Holds its clock at this time, in Unix milliseconds. */
  time: number | undefined;
  /** Whether the database answers. */
  away: boolean;
  /** Loses the answer to the next call of this function, after the database has done its work. */
  loseAnswer(name: string): void;
  /** How many calls the database got, by name. */
  calls: Map<string, number>;
}

/** What a test gets. */
export interface Links extends Isolate {
  sql: Sql;
  /** Another isolate on the same database. */
  isolate(): Isolate;
  /** The Data API and Auth. */
  api(request: Request): Promise<Response>;
  set(key: string, value: string, metadata?: JSONValue): Promise<void>;
  /** Puts hosts on the list of where links may lead. */
  allow(...hosts: string[]): Promise<void>;
}

watch("that the database refused this code", () => isTooOld());

/** Registers a test with links switched on, and www.example.com allowed. */
export function linksTest(
  name: string,
  test: (links: Links) => Promise<void>,
  environment: Record<string, string> = {},
): void {
  Deno.test(name, async () => {
    for (const [key, value] of Object.entries(environment)) Deno.env.set(key, value);
    forgetEnv();
    const database = await testDatabase();
    const api = createDataApi({ dbUrl: database.url, jwtSecret: "jwt-secret-of-the-test", ...KEYS });
    const { sql } = database;
    try {
      await sql`insert into public.wa_numbers (id, display_number) values (${NUMBER.id}, ${NUMBER.display})`;
      await sql`insert into public.settings (key, value) values ('deeplinks.enabled', 'true')`;
      await sql`insert into public.destination_allowlist (pattern, purpose) values ('www.example.com', 'redirect')`;
      const fetchApi = (url: string, init: RequestInit) => api.fetch(new Request(url, init));
      const isolates: Isolate[] = [];
      const make = () => {
        const made = isolate(fetchApi);
        isolates.push(made);
        return made;
      };
      const first = make();
      await test(Object.assign(first, {
        sql,
        isolate: make,
        api: (request: Request) => api.fetch(request),
        set: async (key: string, value: string, metadata: JSONValue = {}) => {
          await sql`insert into public.settings (key, value, metadata) values (${key}, ${value}, ${
            sql.json(metadata)
          })
            on conflict (key) do update set value = excluded.value, metadata = excluded.metadata`;
          for (const one of isolates) await one.refresh();
        },
        allow: async (...hosts: string[]) => {
          for (const host of hosts) {
            await sql`insert into public.destination_allowlist (pattern, purpose) values (${host}, 'redirect')`;
          }
          for (const one of isolates) await one.refresh();
        },
      }));
      for (const one of isolates) await one.flush();
    } finally {
      await forgetCounted();
      await api.close();
      await database.drop();
      // An isolate may have asked once more while the test ended.
      forgetRefusal();
      for (const key of Object.keys(environment)) Deno.env.delete(key);
      forgetEnv();
    }
  });
}

function isolate(fetchApi: (url: string, init: RequestInit) => Promise<Response>): Isolate {
  const calls = new Map<string, number>();
  // It stands still until the test says otherwise: a busy machine must not make old what is held.
  let clock = performance.now();
  const state: { away: boolean; lose?: string; time?: number } = { away: false };
  const rpc = createRpc({
    endpoint: () => ({ url: "http://links.test", key: KEYS.secretKey }),
    fetch: async (url, init) => {
      const name = url.slice(url.lastIndexOf("/") + 1);
      calls.set(name, (calls.get(name) ?? 0) + 1);
      const lost = () => new Response("no healthy upstream", { status: 503 });
      if (state.away) return lost();
      const answer = await fetchApi(url, init);
      if (state.lose !== name) return answer;
      delete state.lose;
      await answer.body?.cancel();
      return lost();
    },
  });
  const loadConfig = createConfigLoader(rpc, () => clock);
  const deeplinks = createDeeplinks({
    rpc,
    loadConfig,
    authorise: createAuthorise(fetchApi),
    now: () => clock,
    date: () => state.time ?? Date.now(),
  });
  const served = serve("deeplinks", deeplinks.handler, { judgesSchema: true });
  const request = async (path: string, init: RequestInit, base = "/deeplinks") =>
    await served.fetch(new Request(`https://ref.example.co${base}${path}`, init));

  return {
    calls,
    loseAnswer: (name) => void (state.lose = name),
    get time() {
      return state.time;
    },
    set time(value) {
      state.time = value;
    },
    get away() {
      return state.away;
    },
    set away(value) {
      state.away = value;
    },
    async call(path, { method = "GET", headers = {}, body, open = false, root = false } = {}) {
      const response = await request(path, {
        method,
        headers: { ...(open ? {} : { apikey: KEYS.secretKey }), ...headers },
        body: body === undefined || typeof body === "string"
          ? body as string | undefined
          : JSON.stringify(body),
      }, root ? "" : undefined);
      const json = /\bjson\b/.test(response.headers.get("content-type") ?? "");
      const text = await response.text();
      return {
        status: response.status,
        headers: response.headers,
        body: json && text !== "" ? JSON.parse(text) : text,
      };
    },
    visit: (code, headers = {}, query = "") =>
      request(`/${code}${query}`, { headers: { "user-agent": IPHONE, ...headers } }),
    post: (path, headers, body) => request(path, { method: "POST", headers, body }),
    async link(body) {
      const { status, body: answer } = await this.call("", { method: "POST", body });
      if (status !== 201) throw new Error(`no link was made: ${status} ${JSON.stringify(answer)}`);
      return answer.code;
    },
    flush: deeplinks.flush,
    async refresh() {
      // Twice: the first may join a question that was on its way before the change.
      for (let n = 0; n < 2; n++) {
        clock += 10_000;
        await deeplinks.store.ready();
      }
    },
  };
}
