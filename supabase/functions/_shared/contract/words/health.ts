/**
 * Sentences about the health of components.
 *
 * @module
 */

import type { HealthPart, LockHolder } from "../answers/operations.ts";
import type { HealthState } from "../states.ts";
import { errorInWords, errorMeaning } from "./provider_errors.ts";
import { repliesInWords } from "./replies.ts";

/** A part whose state is told: a component, or something that is looked after as one. */
export interface JudgedPart<C extends string = HealthPart["component"] | "pool" | "on_call"> {
  component: C;
  status: HealthState;
  because: string;
  figures: HealthPart["figures"];
  [figure: string]: unknown;
}

/** The same in words. */
export interface HealthInWords<C extends string = HealthPart["component"]> {
  component: C;
  status: HealthState;
  why: string;
  [figure: string]: unknown;
}

/** `process 1234 (postgres), for 45 s: update settings set …`. */
export function lockHolderInWords({ pid, role, seconds, statement }: LockHolder): string {
  return `process ${pid} (${role ?? "role not known"}), for ${seconds ?? "?"} s${
    statement === null ? "" : `: ${statement}`
  }`;
}

interface Failing {
  name: string;
  failed: number;
  requests: number;
}
interface Held {
  channel: string;
  id: string;
  code: string | null;
  seconds: number;
}
interface Failed {
  channel: string;
  code: string;
  n: number;
}
interface Skipped {
  flag: string;
  seconds: number;
  by: readonly LockHolder[];
}
interface Unpurged {
  what: string;
  error: string;
}
/** A destination in trouble. */
export interface Stopped {
  name: string;
  state: "paused" | "circuit_open" | "failing" | "gave_up" | "replies" | string;
  n?: number;
  error?: string;
  /** Waiting messages, counted up to 10,000. */
  waiting?: number;
}

const STOPPED: Readonly<Record<string, (one: Stopped) => string>> = {
  paused: ({ error }) => error === undefined ? "is paused" : `is paused because it answered: ${error}`,
  circuit_open: () => "keeps failing: its circuit is open",
  failing: ({ n, error }) => `failed ${n} times in a row${error === undefined ? "" : `: ${error}`}`,
  gave_up: ({ n }) =>
    `had ${n} ${n === 1 ? "delivery" : "deliveries"} given up within the last hour: see the dead letters`,
  replies: ({ n, error }) =>
    `had replies in ${n} ${n === 1 ? "answer" : "answers"} of the last hour that could not be used: ${
      repliesInWords(error ?? "")
    }`,
};

const FAULTS: Readonly<Record<string, string>> = {
  no_route: "no active route leads to an active destination",
  router_off: "wa_router.enabled is off: messages are stored and wait",
  send_off: "wa_send.enabled is off: nothing is sent",
};

/** Sentences by component and code. */
const REASONS: Readonly<
  Record<string, Readonly<Record<string, (figures: HealthPart["figures"]) => string>>>
> = {
  database: {
    connections: ({ used, most }) => `responding; ${used} of ${most} connections in use`,
  },
  queue: {
    overdue: (figures) => [overdueInWords(figures), ...stoppedOf(figures).map(stoppedInWords)].join(", "),
    stopped: (figures) => stoppedOf(figures).map(stoppedInWords).join(", "),
    taken: () => "nothing is overdue",
  },
  clock: {
    unheard: ({ http_seconds, fault }) =>
      `its calls do not arrive: none to wa-router for ${http_seconds} s${clockFault(fault)}`,
    ran: ({ seconds }) => `last ran ${seconds} s ago`,
    starting: ({ seconds }) => `starting: installed ${seconds} s ago`,
    never: () => "has never run",
  },
  graph: {
    calls: ({ failed, calls, success_seconds }) =>
      `${failed} of ${calls} calls failed in 15 minutes; last success ${
        success_seconds === null ? "not known" : `${success_seconds} s ago`
      }`,
  },
  senders: {
    held: ({ held }) => (held as Held[]).map(heldInWords).join(" "),
    unknown: ({ unknown, oldest_seconds }) =>
      `of ${unknown} ${
        unknown === 1 ? "message" : "messages"
      } it is not known whether they were sent, the oldest for ` +
      `${oldest_seconds} s: list_unknown() names them, resolve_unknown() settles them`,
    failing: ({ failed, codes }) =>
      `${failed} messages failed after sending in the last 15 minutes: ${
        (codes as Failed[]).map(({ channel, code, n }) => `${n} by ${errorInWords(channel, code)}`).join(", ")
      }`,
    sending: () => "no account is held",
  },
  pool: {
    warning: (figures) => `${poolInWords(figures)}${daysLeft(figures)}`,
    exhausted: (figures) =>
      `${poolInWords(figures)}: new threads go to the front desk, with the owner in between`,
    ok: (figures) => poolInWords(figures),
  },
  on_call: {
    gap: ({ schedule }) => `nobody is on call for ${schedule}: cards mention nobody`,
    silent: ({ schedule, source }) =>
      `${source} does not say who is on call for ${schedule}, and never has: cards mention nobody`,
    covered: ({ schedule }) => `somebody is on call for ${schedule}`,
  },
  functions: {
    failing: ({ functions }) => `failed in 10 minutes: ${(functions as Failing[]).map(failing).join(", ")}`,
    answering: ({ requests }) => `0 of ${requests} requests failed in 10 minutes`,
  },
  config: {
    faults: ({ faults, unknown_flags }) =>
      (faults as string[]).map((fault) =>
        fault === "unknown_flags"
          ? `routes name flags that do not exist, and so take nothing: ${
            (unknown_flags as string[]).join(", ")
          }`
          : FAULTS[fault] ?? fault
      ).join(", "),
    revision: ({ revision }) => `revision ${revision}`,
  },
  guard: {
    watching: ({ rollouts }) => `${rollouts} ${rollouts === 1 ? "rollout" : "rollouts"} in progress`,
    locked: ({ skipped }) =>
      (skipped as Skipped[]).map(({ flag, seconds, by }) =>
        `has not been able to judge ${flag} for ${seconds} s: it is locked by ${
          by.length === 0 ? "another transaction" : by.map(lockHolderInWords).join("; ")
        }`
      ).join(". "),
  },
  storage: {
    used: ({ mb, limit_mb, days_left }) =>
      `${mb} of ${limit_mb} MB used${
        days_left === null ? "" : `; full in ${days_left} days as it grows now`
      }`,
    purge_fails: ({ failing }) =>
      `old data is not purged: ${
        (failing as Unpurged[]).map(({ what, error }) => `${what} (${error})`).join(", ")
      }`,
  },
};

const CLOCK_FAULTS: Readonly<Record<string, string>> = {
  no_secret: "the Vault lacks gatelink_url or gatelink_secret_key",
  not_sent: "pg_net sends nothing; select net.worker_restart() restarts it",
  no_answer: "wa-router did not answer",
};

function clockFault(fault: unknown): string {
  if (typeof fault !== "string") return "";
  const status = /^status (\d+)$/.exec(fault)?.[1];
  return `; ${
    status === undefined
      ? CLOCK_FAULTS[fault] ?? fault
      : status === "401" || status === "403"
      ? `wa-router answers ${status}: the Vault's gatelink_secret_key is revoked or another project's`
      : `wa-router answers ${status}`
  }`;
}

function heldInWords({ channel, id, code, seconds }: Held): string {
  const meaning = code === null ? undefined : errorMeaning(channel, code);
  const why = code === null ? "" : `: the provider answers ${errorInWords(channel, code)}`;
  return `Nothing has been sent from ${id} for ${seconds} s${why}.${
    meaning === undefined ? "" : ` ${meaning.remedy}`
  }`;
}

function failing({ name, failed, requests }: Failing): string {
  return `${name} ${failed} of ${requests} requests (${Math.round(1000 * failed / requests) / 10} %)`;
}

const overdueInWords = ({ seconds }: HealthPart["figures"]) =>
  `something has been due for ${seconds} s and is not processed`;

const stoppedOf = ({ destinations }: HealthPart["figures"]) => (destinations ?? []) as Stopped[];

/** `8 of 10 numbers are closed to one person`. */
function poolInWords({ numbers, closed, draining }: HealthPart["figures"]): string {
  const drain = Number(draining) > 0 ? `, ${draining} drain` : "";
  return numbers === 0
    ? `there is no number to lend${drain}`
    : `${closed} of ${numbers} numbers are closed to one person${drain}`;
}

/** When a pool will be exhausted, where that is known. */
function daysLeft({ days_left }: HealthPart["figures"]): string {
  return typeof days_left === "number"
    ? `; at this growth all are in ${days_left} ${days_left === 1 ? "day" : "days"}`
    : "";
}

/** `orders failed 3 times in a row: status 500; 13 messages wait`. */
export function stoppedInWords(one: Stopped): string {
  const { waiting = 0 } = one;
  const wait = waiting === 0
    ? ""
    : `; ${waiting >= MOST_COUNTED ? "10,000 or more" : waiting} ${
      waiting === 1 ? "message waits" : "messages wait"
    }`;
  return `${one.name} ${STOPPED[one.state]?.(one) ?? one.state}${wait}`;
}

/** The highest number to which the database counts. */
const MOST_COUNTED = 10_000;

/** One problem, to be shown with a link to its page. */
export interface Trouble {
  component: HealthPart["component"];
  status: HealthState;
  /** The affected destination; absent for other problems. */
  destination?: string;
  /** Without the name of the component. */
  why: string;
}

/**
 * The current problems, one entry per cause, the worst first. A queue that waits for several destinations has one entry
 * for each of them.
 *
 * @param parts As the database reports them.
 * @param words The same in words. A component may be worse there than in `parts` if other facts are known about it.
 */
export function troublesInWords(
  parts: readonly HealthPart[],
  words: readonly HealthInWords[] = healthInWords(parts),
): Trouble[] {
  const troubles = words.filter(({ status }) => status !== "healthy").flatMap(
    ({ component, status, why }): Trouble[] => {
      const { figures = {} } = parts.find((part) => part.component === component) ?? {};
      const stopped = component === "queue" ? stoppedOf(figures) : [];
      if (stopped.length === 0) return [{ component, status, why }];
      const isOverdue = "seconds" in figures;
      return [
        ...(isOverdue ? [{ component, status, why: overdueInWords(figures) }] : []),
        ...stopped.map((one): Trouble => ({
          component,
          status: isOverdue ? "degraded" : status,
          destination: one.name,
          why: stoppedInWords(one),
        })),
      ];
    },
  );
  return troubles.toSorted((a, b) => Number(b.status === "down") - Number(a.status === "down"));
}

/** Each component with its sentence. Unknown codes are shown unchanged. */
export function healthInWords<C extends string>(parts: readonly JudgedPart<C>[]): HealthInWords<C>[] {
  return parts.map(({ component, status, because, figures, ...shown }) => ({
    component,
    status,
    why: REASONS[component]?.[because]?.(figures) ?? because,
    ...shown,
  }));
}

/** What to do about a part, in one sentence. */
const ADVICE: Readonly<Record<string, string>> = {
  database: "Check the database's load and connections.",
  queue: "Check the named services: gatelink status shows their queues.",
  clock: "Retries, schedules and the rollout guard wait for it: docs/deploy.md, Clock.",
  graph: "Check the codes: gatelink diagnose.",
  senders: "Repair the account at its provider; waiting messages are then sent automatically.",
  functions: "Check the logs of the named functions; if a rollout is in progress, turn its flag off.",
  guard:
    "End the named process (select pg_terminate_backend(pid)), or turn the flag off: gatelink rollback 2.",
  pool: "Add numbers of class pool with set_org_number: gatelink messages pools.",
  on_call: "gatelink oncall who, gatelink oncall doctor. See docs/oncall.md.",
  storage: "Free some space, or shorten a retention: docs/personal-data.md.",
};

/** What to do about a component, for the person who is notified. */
export function healthAdvice(component: string): string {
  return ADVICE[component] ?? "GET /functions/v1/health/detailed has the details.";
}
