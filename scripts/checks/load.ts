/** Load: many times the present rate, against one environment, from a schedule that does not wait for answers. */
import type { Api } from "../../cli/core/api.ts";
import { slugOf } from "../../supabase/functions/_shared/http/environment.ts";
import { ask, type Check, type Load, type Target } from "./check.ts";

/** Share of the requests that may fail, of the planned rate that has to be reached, and of connections in use. */
const ERRORS = 0.001, REACHED = 0.95, CONNECTIONS = 0.8;
/** Where nobody comes yet, one request a second is taken for the present rate. */
const LEAST_RATE = 1;
/** More at once is this machine's limit, not the environment's: what is due then counts as failed. */
const MOST_AT_ONCE = 500;
const WINDOW_MINUTES = 60;

/** Requests a second of the last hour that visitors of both environments made, as what blue got says by its share. */
export async function presentRate(api: Api): Promise<number> {
  const [{ environments }, { blue: share }] = await Promise.all([
    api.rpc("traffic_figures", { p_minutes: WINDOW_MINUTES }),
    api.rpc("traffic_split", {}),
  ]);
  // What was driven against green before is no traffic of visitors.
  const requests = share > 0 ? environments.blue.requests * 100 / share : environments.green.requests;
  return Math.max(LEAST_RATE, requests / (WINDOW_MINUTES * 60));
}

interface Sent {
  path: string;
  ms: number;
  ok: boolean;
}

/** Drives the load, half of it to the API and half to the pixel, and says whether the limits held. */
export async function load(target: Target, { times, seconds, rate }: Load): Promise<Check[]> {
  const { stack, environment, api, apiP99, trackingP99 } = target;
  const present = rate ?? await presentRate(api);
  const planned = present * times;
  const count = Math.max(2, Math.round(planned * seconds));
  const urls = [`health/plain`, `email-track/pixel/test.png`].map((path) => {
    const [name, ...rest] = path.split("/");
    return `${stack.url}/functions/v1/${slugOf(name, environment)}/${rest.join("/")}`;
  });
  // A process that has to start says nothing of load.
  await Promise.all(urls.map((url) => ask(url)));
  const sent: Sent[] = [];
  const open = new Set<Promise<void>>();
  const began = performance.now();
  for (let i = 0; i < count; i++) {
    const due = began + i * 1000 / planned;
    const wait = due - performance.now();
    if (wait > 0) await new Promise((done) => setTimeout(done, wait));
    const path = urls[i % urls.length];
    if (open.size >= MOST_AT_ONCE) {
      sent.push({ path, ms: 0, ok: false });
      continue;
    }
    // From when it was due: a late start is a visitor's wait too.
    const one = ask(path).then(({ status }) => {
      sent.push({ path, ms: performance.now() - due, ok: status === 200 });
    });
    open.add(one);
    one.finally(() => open.delete(one));
  }
  const took = (performance.now() - began) / 1000;
  await Promise.all(open);
  const reached = count / Math.max(took, count / planned);
  const { connections } = await api.rpc("environment_watch", {});
  const shown = (value: number) => +value.toPrecision(3);
  return [
    {
      what: `${times} times the present rate reaches ${environment}`,
      ok: reached >= planned * REACHED,
      detail: `${shown(reached)} requests/s for ${Math.round(took)} s; the present rate is ${
        shown(present)
      }/s`,
    },
    answered("API", sent.filter(({ path }) => path === urls[0]), apiP99),
    answered("tracking", sent.filter(({ path }) => path === urls[1]), trackingP99),
    {
      what: "fewer than 80 % of the connections are in use",
      ok: connections.share < CONNECTIONS,
      detail: `${connections.used} of ${connections.most}`,
    },
  ];
}

function answered(what: string, sent: Sent[], limitMs: number): Check {
  const times = sent.filter(({ ok }) => ok).map(({ ms }) => ms).sort((a, b) => a - b);
  const at = (share: number) => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
  const failed = sent.length - times.length;
  return {
    what: `${what} under load: p99 below ${limitMs} ms, fewer than ${ERRORS * 100} % failed`,
    ok: times.length > 0 && at(0.99) < limitMs && failed / sent.length < ERRORS,
    detail: `${sent.length} requests: p50 ${at(0.5).toFixed(1)} ms, p99 ${
      at(0.99).toFixed(1)
    } ms, ${failed} failed`,
  };
}
