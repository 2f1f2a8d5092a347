/**
 * Statuspage with its real dependencies.
 *
 * @module
 */
import { env } from "../config/env.ts";
import { rpc } from "../db/client.ts";
import { count } from "../db/counters.ts";
import { log } from "../log/log.ts";
import { createStatusPoster } from "./statuspage.ts";

/** Posts the public updates that are due. */
export const postStatus = createStatusPoster({
  rpc,
  page() {
    const { STATUSPAGE_PAGE_ID: pageId, STATUSPAGE_API_KEY: apiKey } = env(
      "STATUSPAGE_PAGE_ID",
      "STATUSPAGE_API_KEY",
    );
    return pageId === undefined || apiKey === undefined ? undefined : { pageId, apiKey };
  },
  fetch: (url, init) => fetch(url, init),
  random: Math.random,
  onSettled(result, error) {
    count("status_posts", result);
    if (result === "dead") {
      log.error("an update could not be posted to Statuspage and is given up", { fault: error });
    }
  },
});
