/**
 * Members of the team, and contacts.
 *
 * @module
 */
import { z } from "zod";
import { at, count, id, passed } from "./common.ts";

const role = z.enum(["viewer", "operator", "admin"]);

const member = z.strictObject({
  user_id: id,
  email: z.string().nullable(),
  role,
  approvals: z.array(z.enum(["engineering", "security", "product", "cto"])),
  created_at: at,
  /** False if the address is not confirmed or the account is banned. */
  can_sign_in: z.boolean(),
});
/** A member of the team. */
export type Member = z.infer<typeof member>;

const merge = z.strictObject({
  id,
  kept_id: id,
  /** Last four characters. */
  kept: z.string().nullable(),
  other_id: id,
  other: z.string().nullable(),
  reason: z.string(),
  merged_at: at,
  merged_by: z.string(),
  undone_at: at.nullable(),
  undone_by: z.string().nullable(),
});
/** Two contacts that the team said to be one person. */
export type Merge = z.infer<typeof merge>;

const person = z.strictObject({
  contacts: z.array(z.strictObject({
    id,
    channel: z.string(),
    last_four: z.string().nullable(),
    /** Null for viewers. */
    name: z.string().nullable(),
    /** Ids of its latest conversations. */
    conversations: z.array(id),
  })),
  merges: z.array(merge),
});
/** The contacts of one person. */
export type Person = z.infer<typeof person>;

const savedView = z.strictObject({
  id,
  /** Path of the list in the panel. */
  page: z.string(),
  name: z.string(),
  /** The filters, as in the address. */
  search: z.string(),
  shared: z.boolean(),
  created_by: id,
  created_at: at,
});
/** Filters of a list under a name. */
export type SavedView = z.infer<typeof savedView>;

const erased = z.strictObject({
  erasure: id,
  part: count,
  /** False if rows remain: call again with the same person and erasure. */
  done: z.boolean(),
  /** Rows by table. */
  counts: z.record(z.string(), count),
  kept: z.strictObject({ dedupe_keys_days: count, opt_outs: count }),
  out_of_reach: z.array(z.string()),
});
/** The result of one step of an erasure. */
export type Erased = z.infer<typeof erased>;

/** The answers by function name. */
export const PEOPLE = {
  list_team: z.array(member),
  save_view: savedView,
  /** Null if the caller is not in the team. */
  whoami: z.strictObject({ user_id: id, role }).nullable(),
  start_invitation: z.strictObject({ id, email: z.string(), role, expires_at: at }),
  /** Null if there is no invitation of the caller. */
  accept_invitation: z.strictObject({ role }).nullable(),
  name_contacts: z.array(
    z.strictObject({ id, last_four: z.string().nullable(), name: z.string().nullable() }),
  ),
  count_contacts: z.strictObject({ contacts: count, recent: count }),
  read_person: person,
  merge_people: merge,
  undo_merge: merge,
  split_contact: z.array(merge),
  export_contact: z.strictObject({
    at,
    contacts: z.array(id),
    /** Rows by table. */
    tables: z.record(z.string(), z.array(passed)),
    out_of_reach: z.array(z.string()),
  }),
  erase_contact: erased,
  set_opt_out: z.strictObject({ contact_id: id, opted_out: z.boolean(), numbers: z.array(z.string()) }),
} as const;
