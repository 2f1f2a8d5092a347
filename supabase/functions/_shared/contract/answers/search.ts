/**
 * Search over everything that the panel shows.
 *
 * @module
 */
import { z } from "zod";
import { count, id } from "./common.ts";

const hit = z.strictObject({
  kind: z.enum([
    "flag",
    "rollout",
    "incident",
    "destination",
    "route",
    "segment",
    "announcement",
    "number",
    "setting",
    "link",
    "conversation",
  ]),
  /** Key, name, number, code or UUID, by which the panel opens it. */
  id: z.string(),
  /** Null for the name of a person that the caller may not see, or that is not known. */
  title: z.string().nullable(),
  /** More about it; of a conversation the last four characters of the contact. */
  about: z.string().nullable(),
  state: z.string().nullable(),
  version: count.nullable(),
  /** 0: its title is the query; 1: begins with it; 2: its title holds each word; 3: something else of it does. */
  rank: z.int().min(0).max(3),
  /** The message that the query names, in its conversation. */
  message_id: id.nullable(),
});
/** Something that was found. */
export type SearchHit = z.infer<typeof hit>;

/** The answers of search. */
export const SEARCH = { search_everything: z.array(hit) };
