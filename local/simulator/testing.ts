/** Shared by the simulator's tests: a controllable clock, and a receiver of webhooks. */
import { setImmediate } from "node:timers";
import type { AccountIds } from "./accounts.ts";
import { type MetaOptions, MetaSimulator } from "./meta.ts";
import type { Clock, Json } from "./model.ts";

/** Options of the tests' simulators. */
export const OPTIONS: MetaOptions = {
  webhookUrl: "http://127.0.0.1:9/hook",
  appSecret: "an app secret",
  verifyToken: "a verify token",
  accessToken: "an access token",
  phoneNumberId: "106540352242922",
  displayNumber: "15550783881",
};

/** A second account of the tests' business. */
export const SECOND: AccountIds = {
  name: "Second shop",
  wabaId: "100000000000002",
  phoneNumberId: "106540352242923",
  displayNumber: "15550783882",
  accessToken: "another access token",
  appSecret: "another app secret",
};

/** Time that advances only in {@link FakeClock.until}. */
export class FakeClock implements Clock {
  #now = Date.UTC(2026, 10, 21, 12);
  #timers = new Map<number, { due: number; run: () => void }>();
  #ids = 0;

  now(): number {
    return this.#now;
  }

  setTimeout(run: () => void, ms: number): number {
    this.#timers.set(++this.#ids, { due: this.#now + ms, run });
    return this.#ids;
  }

  clearTimeout(id: unknown): void {
    this.#timers.delete(id as number);
  }

  sleep(ms: number): Promise<void> {
    return new Promise((done) => this.setTimeout(done, ms));
  }

  /** Advances from timer to timer until the promise is settled, and returns its result. */
  async until<T>(promise: Promise<T>): Promise<T> {
    let over = false;
    const end = () => over = true;
    promise.then(end, end);
    for (;;) {
      // Everything that can happen without time passing happens first.
      await new Promise((done) => setImmediate(done));
      if (over) return promise;
      const next = [...this.#timers].sort(([, a], [, b]) => a.due - b.due).at(0);
      if (!next) throw new Error("nothing more will happen");
      const [id, { due, run }] = next;
      this.#timers.delete(id);
      this.#now = Math.max(this.#now, due);
      run();
    }
  }
}

/** A POST as it arrived. */
export interface Arrived {
  at: number;
  bytes: string;
  headers: Headers;
  body: Json;
}

/** One update of a webhook body, with its change. */
export interface Item {
  field: string;
  list: string;
  item: Json;
  value: Json;
}

/** All updates of a webhook body, in its order. */
export function itemsOf(body: Json): Item[] {
  const entries = body.entry as { changes: { field: string; value: Json }[] }[];
  return entries.flatMap(({ changes }) =>
    changes.flatMap(({ field, value }) =>
      ["messages", "statuses", "user_id_update"].flatMap((list) =>
        ((value[list] ?? []) as Json[]).map((item) => ({ field, list, item, value }))
      )
    )
  );
}

/**
 * A simulator with its own clock, whose webhook is a function: it receives each POST and returns a status, or
 * null for no response. The window is not enforced unless `options` says so.
 */
export function simulate(
  answer: (post: Arrived, n: number) => number | null | Promise<number | null> = () => 200,
  options: Partial<MetaOptions> = {},
) {
  const clock = new FakeClock();
  const posts: Arrived[] = [];
  const receive: typeof fetch = async (_url, init) => {
    const bytes = String(init?.body);
    const post = { at: clock.now(), bytes, headers: new Headers(init?.headers), body: JSON.parse(bytes) };
    const status = await answer(post, posts.push(post));
    if (status === null) throw new TypeError("connection refused");
    return new Response(null, { status });
  };
  const meta = new MetaSimulator({
    ...{ ...OPTIONS, seed: 1, clock, fetch: receive },
    ...options,
    settings: { enforceWindow: false, ...options.settings },
  });
  return { meta, clock, posts, items: () => posts.flatMap(({ body }) => itemsOf(body)) };
}

/** Calls the simulator's Graph API as a business does. */
export function callGraph(meta: MetaSimulator, body: Json, options: { token?: string; id?: string } = {}) {
  const { token = OPTIONS.accessToken, id = OPTIONS.phoneNumberId } = options;
  return meta.graph(
    new Request(`http://127.0.0.1/simulator/graph/v23.0/${id}/messages`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify({ messaging_product: "whatsapp", ...body }),
    }),
  );
}
