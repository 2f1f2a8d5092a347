/**
 * Opens and clicks that a provider reports, with a verdict: a person's or a machine's.
 *
 * @module
 */
import { type Access, judgeAccesses } from "../../../mail/tracking/verdict.ts";
import type { MailEvent } from "./events.ts";

/** An event, and the open or click in it. */
export interface Reported {
  readonly event: MailEvent;
  /** What tells who it was; its time is the event's. Undefined for every other event. */
  readonly access?: Omit<Access, "at" | "kind">;
}

/**
 * The events, in their order, with `verdict` and `reasons` in the metadata of opens and clicks. Events of one message
 * in one body are seen together; the agent and the address are looked at and not kept in the metadata.
 */
export function judged(reported: readonly Reported[]): MailEvent[] {
  const events = reported.map(({ event }) => event);
  const byMail = new Map<string, { place: number; access: Access }[]>();
  const delivered = new Map<string, number>();
  reported.forEach(({ event, access }, place) => {
    const at = Date.parse(event.at ?? ""), mail = event.message ?? event.provider_id ?? `#${place}`;
    if (Number.isNaN(at)) return;
    if (event.event === "delivered") delivered.set(mail, at);
    if (access === undefined || event.event !== "open" && event.event !== "click") return;
    const list = byMail.get(mail) ?? [];
    list.push({ place, access: { ...access, kind: event.event, at } });
    byMail.set(mail, list);
  });
  for (const [mail, list] of byMail) {
    const verdicts = judgeAccesses(list.map(({ access }) => access), { deliveredAt: delivered.get(mail) });
    list.forEach(({ place }, i) => {
      const { verdict, reasons } = verdicts[i], event = events[place];
      events[place] = { ...event, metadata: { ...event.metadata, verdict, reasons: reasons.join(" ") } };
    });
  }
  return events;
}
