/**
 * A PagerDuty with one service and any number of schedules, and an Opsgenie that has the same: who is on call, incidents, and
 * webhooks that are signed.
 *
 * | path | |
 * |---|---|
 * | `GET /simulator/pagerduty/oncalls` | REST API |
 * | `POST /simulator/pagerduty/v2/enqueue` | Events API v2 |
 * | `GET /simulator/opsgenie/v2/schedules/{id}/on-calls` | Opsgenie |
 * | `POST /simulator/opsgenie/v2/alerts`, `…/{alias}/acknowledge`, `…/{alias}/close` | the same |
 * | `GET /simulator/pagerduty/incidents` | incidents, schedules and settings as JSON |
 * | `POST /simulator/pagerduty/act` | `{key, do}`: somebody acknowledges, unacknowledges, resolves or reopens there |
 * | `POST /simulator/pagerduty/schedule` | `{id, people: [{name, email}]}`: who is on call |
 * | `POST /simulator/pagerduty/settings` | `{fault}` |
 *
 * The page of Telegram shows it: see telegram/api.ts.
 */
import { hmacSha256 } from "../../../supabase/functions/_shared/crypto/hmac.ts";

/** How it fails. */
export const PAGERDUTY_FAULTS = {
  none: "Answers",
  "429": "429: too many requests",
  "500": "502: an error",
  hang: "Does not answer",
  garbage: "Answers with what is not JSON",
} as const;
/** One of {@link PAGERDUTY_FAULTS}. */
export type PagerDutyFault = keyof typeof PAGERDUTY_FAULTS;

/** An incident, or an alert of Opsgenie's. */
export interface PagerDutyIncident {
  readonly key: string;
  readonly summary: string;
  state: "triggered" | "acknowledged" | "resolved";
}

/** Somebody who is on call. */
export interface PagerDutyPerson {
  readonly name: string;
  readonly email: string;
}

/** What somebody does there. */
export const PAGERDUTY_ACTS = {
  acknowledge: ["acknowledged", "incident.acknowledged"],
  unacknowledge: ["triggered", "incident.unacknowledged"],
  resolve: ["resolved", "incident.resolved"],
  reopen: ["triggered", "incident.reopened"],
} as const;

/** What the page is told. */
export interface PagerDutyChange {
  readonly type: "oncall";
  readonly fault: PagerDutyFault;
  /** The newest first. */
  readonly incidents: readonly PagerDutyIncident[];
  readonly schedules: Readonly<Record<string, readonly PagerDutyPerson[]>>;
}

/** Options of a {@linkcode PagerDutySimulator}. */
export interface PagerDutyOptions {
  readonly token: string;
  readonly routingKey: string;
  readonly secret: string;
  readonly opsgenieKey: string;
  readonly webhookUrl: string;
  /** Posts to the webhook. @default {fetch} */
  fetch?: typeof fetch;
  /** Milliseconds since 1970. @default {Date.now} */
  now?(): number;
}

const SHOWN = 100;

/** The simulated PagerDuty and Opsgenie. */
export class PagerDutySimulator {
  readonly #options: PagerDutyOptions;
  readonly #posts = new Set<Promise<unknown>>();
  readonly #listeners = new Set<(change: PagerDutyChange) => void>();
  #nextEvent = 1;
  fault: PagerDutyFault = "none";
  /** Incidents by key. */
  readonly incidents = new Map<string, PagerDutyIncident>();
  /** Who is on call, by schedule. */
  readonly schedules = new Map<string, readonly PagerDutyPerson[]>();
  /** What was called: `GET oncalls`, `trigger gatelink:…`. */
  readonly calls: string[] = [];
  /** Status of each webhook that was posted. */
  readonly answers: number[] = [];

  constructor(options: PagerDutyOptions) {
    this.#options = options;
  }

  /** Somebody does something there; a webhook tells of it, `copies` more times than once. */
  act(
    key: string,
    act: keyof typeof PAGERDUTY_ACTS,
    { copies = 0, at = this.#now(), by = "Zoe Test" } = {},
  ): void {
    const incident = this.incidents.get(key);
    if (incident === undefined) throw new RangeError(`there is no incident ${key}`);
    const [state, type] = PAGERDUTY_ACTS[act];
    incident.state = state;
    this.#tell(incident, type, by, at, copies);
    this.#changed();
  }

  /** Changes who is on call by a schedule; nobody for none. */
  setSchedule(id: string, people: readonly PagerDutyPerson[]): void {
    this.schedules.set(id, people);
    this.#changed();
  }

  /** Changes how it fails. @throws RangeError for a fault that it does not have. */
  setFault(fault: string): void {
    if (!Object.hasOwn(PAGERDUTY_FAULTS, fault)) throw new RangeError("fault: no such fault");
    this.fault = fault as PagerDutyFault;
    this.#changed();
  }

  /** What the page shows. */
  get shown(): PagerDutyChange {
    return {
      type: "oncall",
      fault: this.fault,
      incidents: [...this.incidents.values()].reverse().slice(0, SHOWN),
      schedules: Object.fromEntries(this.schedules),
    };
  }

  /** Calls with each change until the returned function is called. */
  listen(tell: (change: PagerDutyChange) => void): () => void {
    this.#listeners.add(tell);
    return () => this.#listeners.delete(tell);
  }

  reset(): void {
    this.fault = "none";
    this.incidents.clear();
    this.schedules.clear();
    this.calls.length = 0;
    this.#changed();
  }

  /** Resolves once every webhook was answered. */
  async settled(): Promise<void> {
    while (this.#posts.size > 0) await Promise.all(this.#posts);
  }

  /** Answers below `/simulator/pagerduty/` and `/simulator/opsgenie/`. */
  async fetch(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const [, service, path] = /\/simulator\/(pagerduty|opsgenie)\/(.*)$/.exec(pathname) ?? [];
    const own = `${request.method} ${service} ${path}`;
    const text = request.method === "POST" ? await request.text() : "";
    const body = text === "" ? {} : JSON.parse(text);
    switch (own) {
      case "GET pagerduty incidents":
        return Response.json({
          incidents: [...this.incidents.values()],
          schedules: Object.fromEntries(this.schedules),
          fault: this.fault,
          calls: this.calls.slice(-100),
        });
      case "POST pagerduty act":
        this.act(String(body.key), body.do);
        return Response.json({});
      case "POST pagerduty schedule":
        this.setSchedule(String(body.id), body.people);
        return Response.json({});
      case "POST pagerduty settings":
        this.setFault(String(body.fault));
        return Response.json({ fault: this.fault });
    }
    switch (this.fault) {
      case "429":
        return Response.json({ error: { message: "Rate Limit Exceeded", code: 2020 } }, {
          status: 429,
          headers: { "ratelimit-reset": "12" },
        });
      case "500":
        return new Response("<html>Bad Gateway</html>", { status: 502 });
      case "hang":
        await new Promise((resolve) => request.signal.addEventListener("abort", resolve));
        return new Response(null, { status: 500 });
      case "garbage":
        return new Response("[[[");
    }
    const authorization = request.headers.get("authorization");
    if (own === "GET pagerduty oncalls") {
      if (authorization !== `Token token=${this.#options.token}`) return Response.json({}, { status: 401 });
      this.calls.push("GET oncalls");
      const asked = searchParams.getAll("schedule_ids[]");
      return Response.json({
        oncalls: asked.flatMap((id) =>
          (this.schedules.get(id) ?? []).map((person, i) => ({
            escalation_policy: { id: "PESC001" },
            escalation_level: 1,
            schedule: { id },
            user: { id: `P${i}`, ...person },
            start: null,
            end: null,
          }))
        ),
        limit: 100,
        offset: 0,
        more: false,
        total: null,
      });
    }
    if (own === "POST pagerduty v2/enqueue") {
      if (body.routing_key !== this.#options.routingKey) {
        return Response.json({ status: "invalid" }, { status: 400 });
      }
      this.#take(body.event_action, body.dedup_key, body.payload?.summary);
      return Response.json({ status: "success", dedup_key: body.dedup_key }, { status: 202 });
    }
    if (service === "opsgenie") {
      if (authorization !== `GenieKey ${this.#options.opsgenieKey}`) {
        return Response.json({}, { status: 401 });
      }
      const schedule = /^v2\/schedules\/([^/]+)\/on-calls$/.exec(path)?.[1];
      if (schedule !== undefined) {
        this.calls.push("GET on-calls");
        const people = this.schedules.get(decodeURIComponent(schedule)) ?? [];
        return Response.json({ data: { onCallRecipients: people.map(({ email }) => email) } });
      }
      if (path === "v2/alerts") this.#take("trigger", body.alias, body.message);
      else {
        const [, alias, does] = /^v2\/alerts\/([^/]+)\/(acknowledge|close)$/.exec(path) ?? [];
        if (alias === undefined) return Response.json({}, { status: 404 });
        this.#take(does === "close" ? "resolve" : "acknowledge", decodeURIComponent(alias));
      }
      return Response.json({ result: "Request will be processed" }, { status: 202 });
    }
    return Response.json({}, { status: 404 });
  }

  /** An event of ours. PagerDuty tells of it by webhook as of any other change. */
  #take(action: string, key: string, summary = ""): void {
    this.calls.push(`${action} ${key}`);
    const incident = this.incidents.get(key);
    if (action === "trigger") {
      if (incident === undefined || incident.state === "resolved") {
        this.incidents.delete(key);
        this.incidents.set(key, { key, summary, state: "triggered" });
        this.#changed();
      }
      return;
    }
    const state = action === "resolve" ? "resolved" : "acknowledged";
    if (incident === undefined || incident.state === "resolved" || incident.state === state) return;
    incident.state = state;
    this.#tell(incident, `incident.${state}`, "Events API", this.#now(), 0);
    this.#changed();
  }

  #changed(): void {
    for (const tell of this.#listeners) tell(this.shown);
  }

  #tell(
    { key, summary, state }: PagerDutyIncident,
    event_type: string,
    by: string,
    at: number,
    copies: number,
  ): void {
    const body = JSON.stringify({
      event: {
        id: `01EVENT${this.#nextEvent++}`,
        event_type,
        resource_type: "incident",
        occurred_at: new Date(at).toISOString(),
        agent: { summary: by, type: "user_reference" },
        data: { type: "incident", status: state, incident_key: key, title: summary },
      },
    });
    const signature = hmacSha256(this.#options.secret, new TextEncoder().encode(body));
    for (let copy = 0; copy <= copies; copy++) {
      const post = (this.#options.fetch ?? fetch)(this.#options.webhookUrl, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          "x-pagerduty-signature": `v1=${"0".repeat(64)},v1=${signature}`,
        },
        body,
      }).then(async (response) => {
        await response.body?.cancel();
        this.answers.push(response.status);
      }, () => this.answers.push(0)).finally(() => this.#posts.delete(post));
      this.#posts.add(post);
    }
  }

  #now(): number {
    return this.#options.now?.() ?? Date.now();
  }
}
