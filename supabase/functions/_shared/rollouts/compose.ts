/**
 * The notifications of rollouts and of failing parts, with their real dependencies.
 *
 * @module
 */
import { env } from "../config/env.ts";
import { killed } from "../config/kill_switch.ts";
import { rpc } from "../db/client.ts";
import { type Config, loadConfig } from "../db/config.ts";
import { count } from "../db/counters.ts";
import { type DeliveryConfig, deliveryConfigOf, deliveryDepsOf } from "../delivery/compose.ts";
import { postStatus } from "../incidents/compose.ts";
import { log } from "../log/log.ts";
import { enqueue } from "../oncall/pagerduty.ts";
import { createNotifier } from "./notify.ts";
import { projectOf } from "./page.ts";
import { createSwitchReport } from "./switch_report.ts";
import { createWatch } from "./watch.ts";

let reach: { config: Config; reach: Promise<DeliveryConfig> } | undefined;

const deliverNotifications = createNotifier({
  rpc,
  world: async () => {
    const config = await loadConfig();
    if (reach?.config !== config) reach = { config, reach: deliveryConfigOf(config) };
    return deliveryDepsOf(await reach.reach);
  },
  page: (routingKey, event) =>
    enqueue(env("PD_EVENTS_URL").PD_EVENTS_URL, routingKey, event, (url, init) => fetch(url, init)),
  project: () => projectOf(env("SUPABASE_URL").SUPABASE_URL),
  random: Math.random,
  onSettled(result, error) {
    count("notifications", result);
    if (result === "dead") {
      log.error("a notification could not be delivered and is given up", { fault: error });
    }
  },
});

/** Delivers what is due: notifications, and posts to the public status page at Statuspage. */
export const notify = (): Promise<unknown> => Promise.all([deliverNotifications(), postStatus()]);

/** Tells the database which kill switches are set. */
export const reportSwitches = createSwitchReport({
  rpc,
  loadConfig,
  killed,
  now: () => performance.now(),
  onError: (error) => log.warn("which kill switches are set could not be told", { error }),
});

/** Notifies people of parts that fail, including the clock. */
export const watch = createWatch({
  rpc,
  notify,
  now: () => performance.now(),
  onError: (error) => log.warn("how the parts do could not be looked at", { error }),
});
