/**
 * The metrics and the source of each. Pure. Names are stable, because dashboards and alerts depend on them.
 *
 * Units are Prometheus' base units: seconds, never milliseconds. A counter counts since the database was
 * created, so the end of an isolate does not reset it.
 *
 * @module
 */
import type { MetricsSnapshot } from "../_shared/contract/answers/operations.ts";
import { GRAVE_KINDS } from "../_shared/contract/words/accounts.ts";
import { ROLLOUT_STATES, SHOWN_DESTINATION_STATES } from "../_shared/contract/states.ts";
import { refusingFunction } from "../_shared/db/counters.ts";
import { BUCKETS_MS } from "../_shared/db/measurements.ts";
import { mailMetrics } from "./mail_metrics.ts";
import type { Buckets, Labels, Metric, Sample } from "./exposition.ts";

/** Facts that only this process knows. */
export interface About {
  version: string;
  environment: string;
  /** Every kill switch that is set: true lets its feature run. */
  switches: Readonly<Record<string, boolean>>;
}

const SECONDS = BUCKETS_MS.map((ms) => ms / 1000);

/** All metrics. */
export function metricsOf(snapshot: MetricsSnapshot, about: About): Metric[] {
  const { queue, destinations, flags, rollouts } = snapshot;

  /** The counters of a name; each label is split at its spaces into these. */
  const counted = (name: string, ...labels: string[]): Sample[] =>
    snapshot.counters.filter((counter) => counter.name === name)
      .map(({ label, value }) => [labelled(label, labels), value]);
  const measured = (name: string, ...labels: string[]): Sample[] =>
    ofName(name).map(({ label, n }) => [labelled(label, labels), n]);
  const timed = (name: string, ...labels: string[]): Sample[] =>
    ofName(name).map(({ label, ms, counts }) => [labelled(label, labels), bucketsOf(ms, counts)]);
  const ofName = (name: string) => snapshot.measurements.filter((measurement) => measurement.name === name);

  const refusals = snapshot.counters.flatMap(({ name, label, value }) => {
    const fn = refusingFunction(name);
    return fn === undefined ? [] : [{ fn, code: label, value }];
  });
  const resolved = ofName("clicks").reduce((sum, { n }) => sum + n, 0);

  return [
    gauge("build_info", "Always 1; which version runs in which environment.", [
      [{ version: about.version, environment: about.environment }, 1],
    ]),
    gauge("config_revision", "Increases with each change of the configuration.", [[{}, snapshot.revision]]),
    gauge(
      "kill_switch",
      "Whether this environment variable stops its feature: 1 if it does.",
      Object.entries(about.switches).map(([name, runs]) => [{ switch: name }, runs ? 0 : 1]),
    ),
    gauge(
      "component_status",
      "1 for the current state of a component: healthy, degraded or down.",
      snapshot.health.flatMap(({ component, status }) => states({ component }, STATUSES, status)),
    ),
    gauge(
      "clock_last_run_timestamp_seconds",
      "When the clock's job of every minute last ran; 0 if never.",
      [[{}, snapshot.clock_at ?? 0]],
    ),

    histogram(
      "http_request_duration_seconds",
      "Time from a request to the headers of its answer, by function and status (disabled: refused by a kill switch); for wa-webhook this is the ingest latency.",
      timed("request", "function", "status"),
    ),
    counter(
      "refusals_total",
      "Refused requests, by function and error code.",
      refusals.map(({ fn, code, value }) => [{ function: fn, code }, value]),
    ),
    counter(
      "rate_limited_total",
      "Requests refused by a rate limit.",
      refusals.filter(({ code }) => code === "rate_limited").map((
        { fn, value },
      ) => [{ function: fn }, value]),
    ),
    counter(
      "rate_limiter_unavailable_total",
      "Requests that passed because the rate limiter did not answer.",
      counted("rate_limit_unavailable", "limit"),
    ),

    counter(
      "webhook_signature_failures_total",
      "Webhooks without a valid signature, by reason.",
      refusals.filter(({ fn, code }) => fn === "wa-webhook" && code.startsWith("signature_"))
        .map(({ code, value }) => [{ reason: code.slice("signature_".length) }, value]),
    ),
    counter(
      "webhook_updates_total",
      "Updates from Meta that are committed, by Meta's field and result: stored, or a duplicate.",
      counted("webhook_results", "field", "result"),
    ),
    counter(
      "mails_total",
      "Mails that came in and are committed, by kind and verdict (forward, store, suppress, quarantine, relay, loop), or duplicate.",
      counted("mail_results", "kind", "verdict"),
    ),
    counter(
      "mail_accesses_total",
      "Opens and clicks of tracked mails by kind and first verdict; dropped (one mail far too often) and lost (not written).",
      counted("tracked_accesses", "kind", "verdict"),
    ),
    counter(
      "oauth_refresh_total",
      "Refreshes of mailboxes' access tokens by provider and outcome: refreshed, revoked (a person has to connect the mailbox again), failed (tried again).",
      withRefreshes(counted("oauth_refresh", "provider", "outcome")),
    ),
    counter(
      "mailbox_readings_total",
      "Readings of mailboxes by provider and outcome: read, resynced (the provider had forgotten the place), failed; and mails that were not taken: too_large, passed_over (could not be read time after time).",
      counted("mailbox_readings", "provider", "outcome"),
    ),
    counter(
      "text_checks_total",
      "Comparisons with the list of a provider of texts, by outcome: done, cut (longer than what is read at once), failed.",
      counted("text_checks", "outcome"),
    ),
    counter(
      "telegram_updates_total",
      "Updates of Telegram's that are committed, by kind: chat, moved, start, press, reply, edited, reply_press, other, repeated, unreadable.",
      counted("telegram_updates", "kind"),
    ),
    counter(
      "telegram_edits_total",
      "Cards in chats that were brought up to date or removed, by outcome: edited, removed, throttled, or why not.",
      counted("telegram_edits", "outcome"),
    ),
    counter(
      "telegram_cards_total",
      "Cards that were not shown as meant: topic_gone (to the chat itself), format_refused (plain), file_failed, folded (counted by another one); not_called (what is behind the card waits for the clock).",
      counted("telegram_cards", "what"),
    ),
    counter(
      "chat_replies_total",
      "Answers of the team from chats and the command line, by outcome: queued, asked, undone, expired, edited, left, delivered, failed, or refused_ and why.",
      counted("chat_replies", "outcome"),
    ),
    counter(
      "oncall_events_total",
      "Events about incidents to providers of on-call schedules (sent, retry, dead) and their webhooks (taken, repeated, ignored, unsigned).",
      counted("oncall_events", "source", "outcome"),
    ),
    counter(
      "texts_recovered_total",
      "Texts and statuses that came by a provider's list and by no webhook.",
      counted("texts_recovered", "kind"),
    ),
    counter(
      "text_files_total",
      "Attempts at files of texts, by outcome: stored, gone, too_large, retry, failed; at the provider deleted, not_deleted (given up).",
      withZeros(["failed", "not_deleted"], counted("text_files", "outcome")),
    ),
    counter(
      "text_decisions_total",
      "Texts of masked messaging by organisation and outcome: leg (relayed), owner_inbox, held, blocked.",
      ["leg", "owner_inbox", "held", "blocked"].flatMap((outcome) =>
        counted(`masking_${outcome}`, "org").map(([labels, value]): Sample => [{ outcome, ...labels }, value])
      ),
    ),
    counter(
      "texts_outside_windows_total",
      "Texts of sitters outside of every assignment window, by organisation.",
      counted("masking_sitter_no_window", "org"),
    ),
    gauge(
      "pool_numbers",
      "Numbers in the pool of an organisation: lendable, draining, needed (most live threads of one person), closed (to the person with fewest left).",
      snapshot.pools.flatMap(({ org, numbers, draining, needed, closed }): Sample[] => [
        [{ org, state: "lendable" }, numbers],
        [{ org, state: "draining" }, draining],
        [{ org, state: "needed" }, needed],
        [{ org, state: "closed" }, closed],
      ]),
    ),
    gauge(
      "pool_closed_ratio",
      "Share of the pool that is closed to the person with fewest numbers left; 1 is exhausted. Seen by the clock, up to five minutes late.",
      snapshot.pools.map(({ org, numbers, closed }) => [{ org }, numbers === 0 ? 1 : closed / numbers]),
    ),
    counter(
      "pool_exhausted_total",
      "Threads that went to the front desk because no number of the pool was free, by organisation.",
      withZeros(
        snapshot.pools.map(({ org }) => org),
        counted("masking_pool_exhausted", "org"),
        "org",
      ),
    ),
    counter(
      "reply_tokens_total",
      "Reply tokens of mails and forwards, by result: created, or failed; a mail without one has the legacy address.",
      counted("reply_tokens", "result"),
    ),
    counter(
      "webhook_updates_stored_total",
      "Updates stored, by Meta's field and kind; counted by the clock, up to a minute late.",
      measured("updates", "field", "kind"),
    ),
    counter(
      "messages_total",
      "Messages by direction; counted by the clock, up to a minute late.",
      measured("messages", "direction"),
    ),
    counter(
      "messages_routed_total",
      "Messages with a routing decision.",
      unlabelled("messages_routed"),
    ),

    histogram(
      "webhook_to_destination_seconds",
      "Time from storing a message to the first call of a service with it: end to end.",
      timed("routed"),
    ),
    histogram(
      "destination_call_duration_seconds",
      "Duration of calls to services, by destination and outcome: delivered, retry or dead.",
      timed("destination", "destination", "outcome"),
    ),
    counter(
      "delivery_attempts_total",
      "Calls to services, by destination and outcome: delivered, retry or dead.",
      measured("destination", "destination", "outcome"),
    ),
    counter(
      "destination_tests_total",
      "Tests of destinations by people, by outcome: delivered, or the error.",
      counted("destination_tests", "outcome"),
    ),
    counter(
      "replies_refused_total",
      "Replies of services that cannot be sent.",
      counted("replies_refused", "reason"),
    ),

    gauge(
      "queue_depth",
      "Queued work: conversations for the router, deliveries, messages to send.",
      Object.entries(queue).map(([name, { n }]) => [{ queue: name }, n]),
    ),
    gauge(
      "queue_oldest_age_seconds",
      "Age of the oldest queued item, whatever it waits for; 0 if the queue is empty.",
      Object.entries(queue).map(([name, { oldest_seconds }]) => [{ queue: name }, oldest_seconds ?? 0]),
    ),
    gauge("queue_held", "Conversations that a flag holds back.", [[{}, queue.unrouted?.held ?? 0]]),
    gauge(
      "queue_overdue_seconds",
      "How long the oldest item has been due that no flag, pause, circuit or rate holds back.",
      [[{}, snapshot.overdue_seconds]],
    ),
    gauge(
      "sender_held",
      "1 for each sender held back by a fault of its account, by the provider's code.",
      snapshot.held.map(({ channel, sender, code }) => [{ channel, sender, code }, 1]),
    ),
    gauge(
      "destination_queue_depth",
      "Open deliveries of a destination.",
      destinations.map(({ name, open }) => [{ destination: name }, open]),
    ),
    gauge(
      "destination_queue_oldest_age_seconds",
      "Age of a destination's oldest open delivery; 0 if there is none.",
      destinations.map(({ name, oldest_seconds }) => [{ destination: name }, oldest_seconds]),
    ),
    gauge(
      "destination_dead_letters",
      "Dead deliveries that somebody has to retry or drop.",
      destinations.map(({ name, dead }) => [{ destination: name }, dead]),
    ),
    gauge(
      "destination_state",
      "1 for the current state of a destination: active, paused or circuit_open.",
      destinations.flatMap(({ name, state }) =>
        states({ destination: name }, SHOWN_DESTINATION_STATES, state)
      ),
    ),

    counter(
      "outbound_total",
      "Attempts to send a message, by result: sent, retry or failed.",
      counted("outbound", "result"),
    ),
    counter(
      "outbound_errors_total",
      "Failed sends, by Meta's code or the reason why there was no answer.",
      counted("outbound_errors", "code"),
    ),
    counter(
      "status_failures_total",
      "Messages that the provider accepted and that failed later according to their statuses, by channel and code.",
      measured("failed", "channel", "code"),
    ),
    histogram(
      "graph_call_duration_seconds",
      "Duration of calls to Meta's Graph API, by result: sent, or the error's code.",
      timed("graph", "result"),
    ),
    histogram(
      "provider_call_duration_seconds",
      "Duration of calls to providers of channels other than WhatsApp, by provider and result: sent, or the error's code.",
      snapshot.measurements.filter(({ name }) => !OTHERS.has(name)).map(({ name, label, ms, counts }) => [
        { provider: name, ...labelled(label, ["result"]) },
        bucketsOf(ms, counts),
      ]),
    ),

    counter(
      "account_events_total",
      "What Meta reported, or a synchronisation found, of accounts, numbers and templates, by kind; those that matter begin at 0.",
      // Without a 0 before it, Prometheus sees no increase to the first 1.
      withZeros(GRAVE_KINDS, counted("account_events", "kind")),
    ),
    counter(
      "media_given_total",
      "Files of WhatsApp given to services and people: from where (stored, meta), or why not (gone, held, retry, final).",
      counted("media_given", "result"),
    ),
    counter(
      "media_stored_total",
      "Files that were to be stored on arrival, by outcome: stored, retry, gone, too_large, failed.",
      withZeros(["failed"], counted("media_kept", "kind")).map(([{ kind }, n]) => [{ outcome: kind }, n]),
    ),
    counter(
      "media_uploads_total",
      "Files for Meta to send, by result: uploaded, known (Meta has it already), or the error's code.",
      counted("media_sent", "result"),
    ),
    counter(
      "graph_front_failures_total",
      "Messages through wa-graph that were answered with a failure of the send itself, by Meta's code or ours.",
      counted("graph_front_failures", "code"),
    ),

    counter(
      "link_resolutions_total",
      "Visits of links: redirected, or the reason why not; redirects are counted by the clock, up to a minute late.",
      [
        [{ result: "sent_on" }, resolved],
        ...refusals.filter(({ fn, code }) => fn === "deeplinks" && code.startsWith("link_"))
          .map(({ code, value }): Sample => [{ result: code }, value]),
      ],
    ),
    counter(
      "clicks_total",
      "Redirected visits, by kind of visitor and target; counted by the clock, up to a minute late.",
      measured("clicks", "verdict", "target"),
    ),
    gauge(
      "links_guessed",
      "Links with 20 or more wrong passwords in this hour and the previous one.",
      [[{}, snapshot.links_guessed]],
    ),
    counter("clicks_lost_total", "Clicks that could not be written.", unlabelled("clicks_lost")),

    counter(
      "flag_evaluations_total",
      "Flag evaluations, by flag and OpenFeature's reason.",
      counted("flag_evaluations", "flag", "reason"),
    ),
    gauge(
      "flag_enabled",
      "Whether a flag is on for anybody.",
      flags.map(({ key, on }) => [{ flag: key }, on ? 1 : 0]),
    ),
    gauge(
      "flag_rollout_percentage",
      "Rollout percentage of a flag, if it has one.",
      flags.flatMap(({ key, percentage }): Sample[] =>
        percentage === null ? [] : [[{ flag: key }, percentage]]
      ),
    ),
    gauge(
      "rollout_state",
      "1 for the current state of a flag's latest rollout.",
      rollouts.flatMap(({ flag, state }) => states({ flag }, ROLLOUT_STATES, state)),
    ),
    gauge(
      "rollout_stage",
      "Stage of a flag's latest rollout, from 1; 0 before its start.",
      rollouts.map(({ flag, stage }) => [{ flag }, stage]),
    ),
    gauge(
      "rollout_stage_percentage",
      "Percentage of that stage.",
      rollouts.map(({ flag, percentage }) => [{ flag }, percentage]),
    ),
    gauge(
      "rollout_finished_timestamp_seconds",
      "When a flag's latest rollout was completed or rolled back; absent before.",
      rollouts.flatMap(({ flag, finished_at }): Sample[] =>
        finished_at === null ? [] : [[{ flag }, finished_at]]
      ),
    ),
    gauge(
      "rollout_hold",
      "1 for the reason why a rollout in progress stays at its stage.",
      rollouts.flatMap(({ flag, hold_reason }): Sample[] =>
        hold_reason === null ? [] : [[{ flag, reason: hold_reason }, 1]]
      ),
    ),
    gauge(
      "rollout_guard_s",
      "S of the guard's tests while a rollout is in progress; it acts at about 10.8. longer: people with the flag wait longer.",
      rollouts.flatMap(({ flag, s }): Sample[] =>
        Object.entries(s ?? {}).map(([test, value]) => [{ flag, test }, value / 1e6])
      ),
    ),
    gauge(
      "rollout_kill_switch",
      "1 while the kill switch of a flag with a rollout in progress is set: nobody has the feature.",
      rollouts.filter(({ signals }) => signals !== null).map((
        { flag, killed },
      ) => [{ flag }, killed ? 1 : 0]),
    ),
    gauge(
      "rollout_complaints",
      "People with the feature who complained in the current stage of a rollout.",
      rollouts.flatMap(({ flag, signals }): Sample[] =>
        signals === null ? [] : [[{ flag }, signals.complaints]]
      ),
    ),
    gauge(
      "rollout_ratings",
      "People with the feature who rated it in the current stage of a rollout, by whether they are content.",
      rollouts.flatMap(({ flag, signals }): Sample[] =>
        signals === null ? [] : [
          [{ flag, positive: "true" }, signals.positive],
          [{ flag, positive: "false" }, signals.ratings - signals.positive],
        ]
      ),
    ),
    gauge(
      "rollout_metric_people",
      "People who did what the current stage asks about, by arm.",
      rollouts.flatMap(({ flag, signals }): Sample[] =>
        (signals?.metrics ?? []).flatMap(({ name, on, off }): Sample[] => [
          [{ flag, metric: name, arm: "on" }, on],
          [{ flag, metric: name, arm: "off" }, off],
        ])
      ),
    ),
    gauge(
      "rollout_metric_s",
      "Evidence that a business metric has fallen further than the stage allows; the guard acts at about 6.9.",
      rollouts.flatMap(({ flag, signals }): Sample[] =>
        (signals?.metrics ?? []).flatMap(({ name, s }): Sample[] =>
          s === null ? [] : [[{ flag, metric: name }, s / 1e6]]
        )
      ),
    ),
    counter(
      "business_events_total",
      "Occurrences of business metrics.",
      snapshot.business.map(({ name, n }) => [{ metric: name }, n]),
    ),
    gauge(
      "business_value",
      "Sum of the values of business metrics.",
      snapshot.business.map(({ name, value }) => [{ metric: name }, value]),
    ),
    gauge(
      "rollout_verdict_timestamp_seconds",
      "When the guard last gave a verdict on a flag's latest rollout, by verdict and rule.",
      rollouts.flatMap(({ flag, verdict }): Sample[] =>
        verdict === null ? [] : [[{ flag, verdict: verdict.verdict, rule: verdict.rule ?? "" }, verdict.at]]
      ),
    ),
    counter(
      "notifications_total",
      "Notifications, by outcome.",
      counted("notifications", "result"),
    ),
    gauge(
      "incidents_open",
      "Incidents that are not resolved, by severity.",
      snapshot.incidents.map(({ severity, open }) => [{ severity }, open]),
    ),
    gauge(
      "incident_unacknowledged_seconds",
      "Age of the oldest open incident that nobody has acknowledged; 0 when there is none.",
      snapshot.incidents.map((
        { severity, unacknowledged_seconds },
      ) => [{ severity }, unacknowledged_seconds]),
    ),
    counter(
      "status_posts_total",
      "Public updates for Statuspage, by outcome.",
      counted("status_posts", "result"),
    ),

    counter(
      "cache_requests_total",
      "Lookups answered from memory (hit) or by the database (miss), by cache.",
      counted("cache", "cache", "result"),
    ),
    ...mailMetrics({ counted, measured, timed, snapshot }),
  ];

  function unlabelled(name: string): Sample[] {
    const found = snapshot.counters.filter((counter) => counter.name === name);
    return [[{}, found.reduce((sum, { value }) => sum + value, 0)]];
  }
}

/** Measurements with a metric of their own. All others are calls of a channel's provider, under its name. */
const OTHERS = new Set([
  ...["mail_card", "mail_analysis", "happened"],
  "request",
  "routed",
  "destination",
  "messages",
  "updates",
  "clicks",
  "graph",
  "failed",
]);
const STATUSES = ["healthy", "degraded", "down"];

/** The counters of a label, each of these values of it with a sample. */
function withZeros(values: readonly string[], samples: readonly Sample[], label = "kind"): Sample[] {
  const there = new Set(samples.map(([labels]) => labels[label]));
  return [
    ...samples,
    ...values.filter((value) => !there.has(value)).map((value): Sample => [{ [label]: value }, 0]),
  ];
}

/** An alert compares them with what they were before, so each begins at 0. */
function withRefreshes(samples: readonly Sample[]): Sample[] {
  const there = new Set(samples.map(([{ provider, outcome }]) => `${provider} ${outcome}`));
  const missing = ["google", "microsoft"].flatMap((provider) =>
    ["refreshed", "revoked", "failed"].filter((outcome) => !there.has(`${provider} ${outcome}`))
      .map((outcome): Sample => [{ provider, outcome }, 0])
  );
  return [...samples, ...missing];
}

function counter(name: string, help: string, samples: readonly Sample[]): Metric {
  return { name: `gatelink_${name}`, type: "counter", help, samples };
}

function gauge(name: string, help: string, samples: readonly Sample[]): Metric {
  return { name: `gatelink_${name}`, type: "gauge", help, samples };
}

function histogram(name: string, help: string, samples: readonly Sample[]): Metric {
  return { name: `gatelink_${name}`, type: "histogram", help, samples };
}

/** One series per state, so that a query can name the state it needs. */
function states(labels: Labels, known: readonly string[], state: string): Sample[] {
  return known.map((each) => [{ ...labels, state: each }, each === state ? 1 : 0]);
}

/** Names the parts of a label of several words; the first part takes the excess. */
function labelled(label: string, names: readonly string[]): Labels {
  const words = label.split(" ");
  const surplus = Math.max(0, words.length - names.length);
  const parts = surplus > 0 ? [words.slice(0, surplus + 1).join(" "), ...words.slice(surplus + 1)] : words;
  return Object.fromEntries(names.map((name, i) => [name, parts[i] ?? ""]));
}

function bucketsOf(ms: number, counts: readonly number[]): Buckets {
  return { bounds: SECONDS, counts, sum: ms / 1000 };
}
