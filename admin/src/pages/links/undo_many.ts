/** The way back of a change of many links: each gets what it had, unless somebody changed that since. */
import type { LinksChanged } from "../../../../supabase/functions/_shared/contract/links.ts";
import type { Row } from "../../../../supabase/functions/_shared/contract/sql.ts";
import { client } from "../../data/client.ts";
import { callFunction } from "../../data/functions.ts";
import { unwrap } from "../../data/query.ts";

/** Links of one request. */
export const AT_ONCE = 100;

/** What is changed of each link. */
export interface Change {
  state?: "active" | "disabled" | "deleted";
  add_tags?: string[];
  remove_tags?: string[];
}

/** What a change of many may change of a link. */
export type Was = Pick<Row<"links">, "code" | "state" | "tags">;

/** Reads these links, at most {@linkcode AT_ONCE}. @throws {Refusal} */
export function readLinks(codes: readonly string[]): Promise<Was[]> {
  return unwrap<Was[]>(
    client().from("links").select("code,state,tags").in("code", [...codes]).limit(AT_ONCE),
  );
}

/** Changes these links, at most {@linkcode AT_ONCE}. @throws {Refusal} */
export function changeLinks(codes: readonly string[], change: Change): Promise<LinksChanged> {
  return callFunction<LinksChanged>("deeplinks/bulk", { method: "PATCH", body: { codes, ...change } });
}

/** What gives a link back what it had; undefined if there is nothing to give back, or somebody changed it since. */
export function wayBack(was: Was, now: Was, change: Change): Change | undefined {
  const back: Change = {};
  if (change.state !== undefined && now.state === change.state && was.state !== now.state) {
    // Nobody may block a link in the panel, nor give a block back.
    if (was.state === "active" || was.state === "disabled" || was.state === "deleted") back.state = was.state;
  }
  const added = (change.add_tags ?? []).filter((tag) => !was.tags.includes(tag) && now.tags.includes(tag));
  const removed = (change.remove_tags ?? []).filter((tag) =>
    was.tags.includes(tag) && !now.tags.includes(tag)
  );
  if (added.length > 0) back.remove_tags = added;
  if (removed.length > 0) back.add_tags = removed;
  return Object.keys(back).length > 0 ? back : undefined;
}

/**
 * Gives links back what they had before a change.
 * @returns How many. @throws {Refusal} what is done until then stays
 */
export async function undoMany(before: readonly Was[], change: Change): Promise<number> {
  let count = 0;
  for (let n = 0; n < before.length; n += AT_ONCE) {
    const part = before.slice(n, n + AT_ONCE);
    const now = new Map((await readLinks(part.map(({ code }) => code))).map((link) => [link.code, link]));
    const backs = Map.groupBy(
      part.flatMap((was) => {
        const is = now.get(was.code);
        const back = is && wayBack(was, is, change);
        return back ? [{ code: was.code, back }] : [];
      }),
      ({ back }) => JSON.stringify(back),
    );
    for (const same of backs.values()) {
      const { results } = await changeLinks(same.map(({ code }) => code), same[0].back);
      count += results.filter((result) => !("error" in result)).length;
    }
  }
  return count;
}
