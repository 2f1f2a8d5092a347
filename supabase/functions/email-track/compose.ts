/**
 * The function with its real dependencies.
 *
 * @module
 */
import { env } from "../_shared/config/env.ts";
import { killed } from "../_shared/config/kill_switch.ts";
import { type Rpc, rpc as sharedRpc } from "../_shared/db/client.ts";
import { type Config, loadConfig } from "../_shared/db/config.ts";
import { count } from "../_shared/db/counters.ts";
import { groupCommit } from "../_shared/db/group_commit.ts";
import { createWriteBehind } from "../_shared/db/write_behind.ts";
import { onForAnybody } from "../_shared/flags/evaluate.ts";
import { requireKey } from "../_shared/gates/keys.ts";
import { postpone, waitUntil } from "../_shared/http/background.ts";
import { clientAddress } from "../_shared/http/client_address.ts";
import { Pace } from "../_shared/links/limits/visit_rate.ts";
import { log } from "../_shared/log/log.ts";
import { clientOf } from "../_shared/mail/tracking/client.ts";
import { openTicket, type Ticket, type TicketKey, ticketKey } from "../_shared/mail/tracking/ticket.ts";
import { type Access, judgeSigned, signsOf, signsText } from "../_shared/mail/tracking/verdict.ts";
import type { Handler } from "../_shared/serve/serve.ts";
import { createDecline } from "../_shared/tracking/decline.ts";
import { judgeDue } from "../_shared/tracking/judge.ts";
import { AccessLines, type AccessRow } from "../_shared/tracking/lines.ts";
import { LinkSets } from "../_shared/tracking/link_sets.ts";
import { trackingOf } from "../_shared/tracking/rules.ts";
import { TRACKING_FLAG } from "../_shared/tracking/tickets.ts";
import { createHandler } from "./handler.ts";

/** Dependencies of {@linkcode createEmailTrack}. */
export interface EmailTrackDeps {
  rpc: Rpc;
  loadConfig(): Promise<Config>;
  /** Unix milliseconds. */
  date(): number;
}

/** The function. */
export interface EmailTrack {
  handler: Handler;
  /** Resolves once all that was recorded so far is written, and judged. */
  flush(): Promise<void>;
}

/** Rows of one mail and kind in a minute; no person opens a mail more often, and no flood fills the table. */
const IN_MINUTE = 60;
/** From the first new access to the next round of judging: what belongs together comes together. */
const JUDGE_AFTER_MS = 1000;
/** How old may be what is known of the flag. */
const FLAG_AGE_MS = 2000;

/** Assembles the function with its real dependencies, except those that `deps` replaces. */
export function createEmailTrack(deps: Partial<EmailTrackDeps> = {}): EmailTrack {
  const { rpc = sharedRpc, date = Date.now } = deps;
  const load = deps.loadConfig ?? loadConfig;
  const { CLIENT_IP_HEADER } = env("CLIENT_IP_HEADER");
  const sets = new LinkSets(rpc);
  const pace = new Pace();

  /** The key never changes while mails with its tickets are about. */
  let key: TicketKey | undefined;
  let loading: Promise<void> | undefined;
  /** Failure policy: open. Who has a ticket got a mail while the flag was on. */
  let recording = true;
  let askedAt = -Infinity;

  function ready(): Promise<void> | undefined {
    if (key === undefined) return loading ??= begin().finally(() => loading = undefined);
    const now = date();
    if (Math.abs(now - askedAt) >= FLAG_AGE_MS) {
      askedAt = now;
      waitUntil(askFlag());
    }
    return undefined;
  }

  async function begin(): Promise<void> {
    const [made] = await Promise.all([rpc("ticket_key", {}), askFlag()]);
    askedAt = date();
    key = ticketKey(made);
  }

  async function askFlag(): Promise<void> {
    try {
      recording = !killed(TRACKING_FLAG) && onForAnybody(trackingOf(await load()).flags, TRACKING_FLAG);
    } catch (error) {
      log.warn("whether mails are tracked is not known", { error });
    }
  }

  let judging: Promise<void> | undefined;
  const judgeLater = postpone(JUDGE_AFTER_MS, () => judge().then(() => {}));

  async function judge(): Promise<number> {
    judgeLater.cancel();
    // One after the other: two at once would read the same.
    await judging?.catch(() => {});
    const round = judgeDue(rpc);
    judging = round.then(() => {});
    return await round;
  }

  const accesses = createWriteBehind<AccessRow>({
    lines: () => new AccessLines(),
    write: (p_batch, p_accesses) => rpc("record_accesses", { p_batch, p_accesses }, { timeoutMs: 30_000 }),
    waitUntil,
    onWritten: () => judgeLater.begin(),
    onLost: (n, error) => {
      count("tracked_accesses", "access lost", n);
      log.error("opens and clicks were lost", { n, error });
    },
    onDelayed: (error) => log.warn("opens and clicks could not be written and will be sent again", { error }),
  });

  function record(request: Request, { mail }: Ticket, link: number | undefined): void {
    if (!recording) return;
    const at = date(), kind = link === undefined ? "open" : "click";
    if (pace.take(at, String(mail), kind, IN_MINUTE) > 0) return count("tracked_accesses", `${kind} dropped`);
    const { headers, method } = request;
    const userAgent = headers.get("user-agent") ?? "";
    const access: Access = {
      kind,
      at,
      userAgent,
      method,
      address: kind === "click" ? clientAddress(request, CLIENT_IP_HEADER) : undefined,
      purpose: headers.get("sec-purpose") ?? headers.get("purpose") ?? "",
      ...(link === undefined ? {} : { link: String(link), trap: link === 0 }),
    };
    const signs = signsOf(access);
    const [{ verdict, reasons }] = judgeSigned([{ ...access, signs }]);
    count("tracked_accesses", kind === "open" ? OPENS[verdict] : CLICKS[verdict]);
    accesses.record({
      kind,
      ticket: mail,
      at,
      link,
      verdict,
      client: clientOf(userAgent),
      signs: signsText(signs),
      reasons,
    });
  }

  const resolve = groupCommit({
    maxItems: 32,
    maxQueued: 1000,
    commit: (questions: Record<string, unknown>[]) => rpc("resolve_mails", { p_mails: questions }),
  });

  const handler = createHandler({
    killed,
    requireSecretKey: (headers) => void requireKey(headers),
    ready,
    open: (ticket) => openTicket(key!, ticket),
    record,
    peek: (id) => sets.peek(id),
    load: (id) => sets.load(id),
    judge,
    decline: createDecline({ rpc, resolve }),
  });
  const flush = async () => {
    await accesses.settled();
    await judge();
  };
  return { handler, flush };
}

/** Labels of the counter, made once. */
const OPENS = { human: "open human", machine: "open machine", unsure: "open unsure" } as const;
const CLICKS = { human: "click human", machine: "click machine", unsure: "click unsure" } as const;
