/** Reads and formats announcements. */
import type { Announcement } from "../../../supabase/functions/_shared/contract/answers/announcements.ts";
import { counted } from "../../../supabase/functions/_shared/contract/words/sentences.ts";
import {
  audienceInWords,
  figuresInWords,
} from "../../../supabase/functions/_shared/contract/words/announcements.ts";
import type { Api } from "../../core/api.ts";
import { facts, time } from "../../core/output.ts";

/** An announcement, for people. */
export function inWords(one: Announcement): string {
  return facts({
    announcement: one.id,
    name: one.name,
    for: audienceInWords(one.audience),
    state: one.state,
    people: `${counted(one.people, "contact")}${
      one.unreachable === 0
        ? ""
        : `; ${counted(one.unreachable, "other person", "other people")} known by an id of yours alone`
    }`,
    ...(one.would === null ? {} : { "would get": figuresInWords(one.would) }),
    queued: one.queued,
    waiting: one.pending,
    ...(Object.keys(one.waits).length === 0 ? {} : { because: figuresInWords(one.waits) }),
    "left out": figuresInWords(one.left_out),
    ...(one.queued === 0 ? {} : { "became of them": figuresInWords(one.statuses) }),
    ...(one.text === null ? {} : { text: one.text }),
    ...(one.template === null ? {} : { template: nameOf(one.template) }),
    pace: `${one.per_minute} a minute`,
    created: `${time(one.created_at)} by ${one.created_by}`,
    ...(one.started_at === null ? {} : { started: `${time(one.started_at)} by ${one.started_by}` }),
    ...(one.state !== "stopped" ? {} : {
      stopped: `${time(one.stopped_at)} by ${one.stopped_by}${
        one.stopped_because === null ? "" : `: ${one.stopped_because}`
      }`,
    }),
    ...(one.finished_at === null ? {} : { finished: time(one.finished_at) }),
    version: one.version,
  });
}

function nameOf(message: Record<string, unknown>): string {
  const template = message.template as { name?: string; language?: { code?: string } } | undefined;
  return `${template?.name} (${template?.language?.code})`;
}

/** The version to act on: the given one, else the current one. */
export async function versionOf(api: Api, announcement: string, given: number | undefined): Promise<number> {
  return given ?? (await api.rpc("read_announcement", { p_id: announcement, p_limit: 1 })).version;
}
