/**
 * The providers of on-call schedules that the environment names. Read at each use, because secrets change while a worker
 * lives.
 *
 * @module
 */
import { env } from "../config/env.ts";
import { createJsm, createOpsgenie } from "./atlassian.ts";
import { createPagerDuty } from "./pagerduty.ts";
import type { OnCallProvider, OnCallProviderName } from "./provider.ts";

const call = (url: string, init: RequestInit) => fetch(url, init);

/** A provider; what is missing, if something is. */
export function onCallProvider(name: OnCallProviderName): OnCallProvider | string {
  switch (name) {
    case "pagerduty": {
      const { PD_TOKEN: token, PD_ROUTING_KEY: routingKey, PD_URL: url, PD_EVENTS_URL: eventsUrl } = env(
        "PD_TOKEN",
        "PD_ROUTING_KEY",
        "PD_URL",
        "PD_EVENTS_URL",
      );
      if (token === undefined && routingKey === undefined) return "PD_TOKEN is not set";
      return createPagerDuty({ url, eventsUrl, token, routingKey }, call);
    }
    case "opsgenie": {
      const { OPSGENIE_API_KEY: apiKey, OPSGENIE_URL: url } = env("OPSGENIE_API_KEY", "OPSGENIE_URL");
      return apiKey === undefined ? "OPSGENIE_API_KEY is not set" : createOpsgenie({ url, apiKey }, call);
    }
    case "jsm": {
      const { JSM_CLOUD_ID: cloudId, JSM_EMAIL: email, JSM_API_TOKEN: apiToken, JSM_URL: url } = env(
        "JSM_CLOUD_ID",
        "JSM_EMAIL",
        "JSM_API_TOKEN",
        "JSM_URL",
      );
      if (cloudId === undefined || email === undefined || apiToken === undefined) {
        return "JSM_CLOUD_ID, JSM_EMAIL or JSM_API_TOKEN is not set";
      }
      return createJsm({ url, cloudId, email, apiToken }, call);
    }
  }
}

/** The secrets of PagerDuty's webhooks; several while rotating, none where none is set. */
export function pagerDutySecrets(): readonly string[] {
  return env("PD_WEBHOOK_SECRET").PD_WEBHOOK_SECRET;
}

/** The words that Opsgenie and Jira Service Management send along. */
export function atlassianSecrets(): readonly string[] {
  return env("OPSGENIE_WEBHOOK_SECRET").OPSGENIE_WEBHOOK_SECRET;
}
