/**
 * Masked messaging, as the database answers it.
 *
 * @module
 */
import { z } from "zod";
import { at, count, figures, id } from "./common.ts";

const numberClass = z.enum(["front_desk", "sitter", "pool"]);
const role = z.enum(["client", "sitter"]);

const org = z.strictObject({
  id,
  name: z.string(),
  zone: z.string(),
  countries: z.array(z.string()),
  before_minutes: count,
  after_minutes: count,
  grace_hours: count,
  quarantine_days: count,
  recurring_from: count,
  tell_members: z.boolean(),
  created_at: at,
});
/** An organisation and its settings. */
export type Org = z.infer<typeof org>;

const member = z.strictObject({
  id,
  org_id: id,
  role: z.enum(["owner", "admin", "sitter"]),
  user_id: id.nullable(),
  contact_id: id.nullable(),
  created_at: at,
});

const opened = z.strictObject({
  thread_id: id,
  /** False if it was live already. */
  created: z.boolean(),
  number_id: z.string(),
  number_class: numberClass,
  /** Whether it is at the front desk because no number of the pool was free. */
  exhausted: z.boolean(),
});
/** A thread that was opened, or found. */
export type OpenedThread = z.infer<typeof opened>;

const leg = z.strictObject({
  id,
  threadId: id,
  contactId: id,
  role,
  /** Null for one who reads in the app alone. */
  numberId: z.string().nullable(),
  optedOut: z.boolean(),
});

const thread = z.strictObject({
  id,
  numberClass,
  live: z.boolean(),
  legs: z.array(leg),
  windows: z.array(z.strictObject({ legId: id, state: z.enum(["active", "upcoming", "past"]), from: at })),
});

const waiting = z.strictObject({
  conversation_id: id,
  org_id: id,
  countries: z.array(z.string()),
  zone: z.string(),
  /** Phones of the organisation that a text may name. */
  own_numbers: z.array(z.string()),
  /** What the same person wrote within ten minutes before, oldest first. */
  earlier: z.array(z.string()),
  messages: z.array(z.strictObject({
    id,
    at,
    /** As it was written; null for a picture without words. */
    text: z.string().nullable(),
    keyword: z.string().nullable(),
    is_group: z.boolean(),
    is_phone: z.boolean(),
    /** Types of its files, in order. */
    media: z.array(z.string().nullable()),
    contactId: id,
    numberClass,
    fromOurs: z.boolean(),
    senderLegs: z.array(leg),
    pastThreadId: id.nullable(),
    thread: thread.nullable(),
  })),
});
/** A conversation with an organisation's number whose texts wait, with what is known of each. */
export type MaskedWaiting = z.infer<typeof waiting>;
const facts = z.strictObject({
  orgId: id,
  contactId: id.nullable(),
  numberClass,
  fromOurs: z.boolean(),
  senderLegs: z.array(leg),
  pastThreadId: id.nullable(),
  thread: thread.nullable(),
});

const outcome = z.enum(["leg", "owner_inbox", "held", "blocked"]);
const writer = z.enum(["client", "sitter", "owner", "unknown"]);

const windowStatus = z.strictObject({
  state: z.enum(["active", "upcoming", "none"]),
  /** When the open window closes, or the next one opens; null without one. */
  at: at.nullable(),
  /** While one is open: when the one after it opens; null if none is known. */
  next_at: at.nullable(),
  zone: z.string(),
});
/** Whether a sitter may write to a client now, and when next. */
export type WindowStatus = z.infer<typeof windowStatus>;

const threadRow = z.strictObject({
  id,
  org_id: id,
  /** The client's name, or the last four digits of the phone; to a sitter, the name alone. */
  client: z.string().nullable(),
  number_class: numberClass,
  message_number_id: z.string(),
  state: z.enum(["live", "ended"]),
  recurring: z.boolean(),
  /** Of the sitter who asks, or of all sitters of the thread. */
  window: windowStatus,
  /** When something was last written. */
  last_at: at,
  last_text: z.string().nullable(),
  /** Decisions that wait for the owner; 0 to a sitter. */
  waiting: count,
});
/** A thread in a list. */
export type ThreadRow = z.infer<typeof threadRow>;

const entry = z.strictObject({
  id,
  at,
  from_role: writer,
  /** Whether the reader wrote it: the sitter who asks, or the owner's side. */
  mine: z.boolean(),
  /** The sitter who wrote it, by name; to owners also by last digits. Null for others. */
  writer: z.string().nullable(),
  /** Null for a picture without words, and for what is not kept any more. */
  text: z.string().nullable(),
  media: count,
  /** The message whose files they are; null without any that we have. */
  files_of: id.nullable(),
  outcome,
  reason: z.string(),
  types: z.array(z.string()),
  /** Whether somebody has dealt with it in the owner inbox. */
  done: z.boolean(),
  /** Of a blocked text that was let pass: why (to owners), and who had written it. */
  force_reason: z.string().nullable(),
  forced_role: writer.nullable(),
  /** Of the copies: the least that any of them has come to; null without one. */
  status: z.string().nullable(),
});
/** A text of a thread, and where it went. */
export type ThreadEntry = z.infer<typeof entry>;

const inboxItem = entry.extend({
  org_id: id,
  thread_id: id.nullable(),
  /** The client of its thread, by name or last four digits. */
  client: z.string().nullable(),
  /** Last four digits. */
  from: z.string().nullable(),
  number_class: numberClass.nullable(),
  findings: z.array(
    z.strictObject({
      ord: z.int(),
      type: z.string(),
      rule: z.string(),
      redacted: z.string(),
      /** What a person said of it; null while nobody has. */
      was_right: z.boolean().nullable(),
    }),
  ),
});
/** A text that waits for the owner. */
export type InboxItem = z.infer<typeof inboxItem>;

const person = z.strictObject({
  role,
  /** Or the last four digits. */
  name: z.string().nullable(),
  last4: z.string().nullable(),
  /** Whether the person reads in the app alone, and gets no texts. */
  app_only: z.boolean(),
  opted_out: z.boolean(),
  /** Of a sitter. */
  window: windowStatus.nullable(),
});
/** Somebody on a thread, for owners. */
export type ThreadPerson = z.infer<typeof person>;

const forecast = z.strictObject({
  numbers: count,
  draining: count,
  /** Most live threads of one person: as many numbers are needed. */
  needed: count,
  /** Numbers that are closed to the person with fewest left. */
  closed: count,
  /** `closed` by `numbers`. */
  share: z.number(),
  state: z.enum(["ok", "warning", "exhausted"]),
  /** By the growth of up to 30 days; null where it does not grow, or nobody knows yet. */
  days_left: count.nullable(),
  exhausted_count: count,
});
export type PoolForecast = z.infer<typeof forecast>;

const diagnostics = z.strictObject({
  threads: z.strictObject({ front_desk: count, sitter: count, pool: count }),
  relayed: count,
  antiPoachingBlocked: count,
  ownerInboxRouted: count,
  held: count,
  sitterNoActiveWindow: count,
  /** Null where migration 20261129002735 was taken back. */
  pool: forecast.nullable(),
  decisions: z.array(z.strictObject({
    id,
    at,
    orgId: id,
    threadId: id.nullable(),
    fromRole: z.enum(["client", "sitter", "owner", "unknown"]),
    /** Last four digits. */
    from: z.string().nullable(),
    number: z.string().nullable(),
    numberClass: numberClass.nullable(),
    outcome: z.enum(["leg", "owner_inbox", "held", "blocked"]),
    reason: z.string(),
    types: z.array(z.string()),
  })),
});
/** How masked messaging of an organisation is doing. */
export type MessagesDiagnostics = z.infer<typeof diagnostics>;

const proof = z.strictObject({
  threads: count,
  without_number: z.array(id),
  without_client: z.array(id),
  orgs_without_front_desk: z.array(id),
  conversations_without_thread: count,
});
/** What is missing for masked messaging. */
export type MessagesProof = z.infer<typeof proof>;

/** A part of messaging that members are told of. */
const topic = z.enum(["messaging", "threads", "sitters"]);
const way = z.enum(["text", "mail", "none"]);

/** The answers by function name. */
export const MASKING = {
  my_orgs: z.array(z.strictObject({
    org_id: id,
    member_id: id,
    role: z.enum(["owner", "admin", "sitter"]),
    name: z.string(),
    zone: z.string(),
  })),
  set_org: org,
  set_org_member: member,
  set_org_person: member,
  list_org_people: z.array(z.strictObject({
    id,
    role: z.enum(["owner", "admin", "sitter"]),
    /** Of who signs in. */
    email: z.string().nullable(),
    name: z.string().nullable(),
    /** Of the phone. */
    last4: z.string().nullable(),
  })),
  set_org_number: z.strictObject({
    channel: z.string(),
    number_id: z.string(),
    org_id: id,
    class: numberClass,
    member_id: id.nullable(),
    state: z.enum(["active", "draining", "out"]),
    last_used_at: at.nullable(),
    created_at: at,
  }),
  open_thread: opened,
  set_booking: z.strictObject({
    id,
    org_id: id,
    external_id: z.string(),
    client_id: id,
    /** By the clocks on the wall, without a zone. */
    starts_local: z.string(),
    ends_local: z.string(),
    zone: z.string(),
    repeats: z.enum(["none", "daily", "weekly"]),
    cancelled_at: at.nullable(),
    created_at: at,
  }),
  assign_sitter: z.strictObject({
    window_id: id,
    opens_at: at,
    closes_at: at,
    created: z.boolean(),
    recurring: z.boolean(),
    recurring_why: z.enum(["weekly", "daily", "count"]).nullable(),
    thread: opened.nullable(),
  }),
  relay_facts: facts.nullable(),
  call_facts: facts.extend({
    numberId: z.string(),
    countries: z.array(z.string()),
    /** Digits, by leg. */
    phones: z.record(z.string(), z.string()),
    /** The owner's phone, digits. */
    desk: z.string().nullable(),
  }).nullable(),
  thread_facts: thread.extend({ orgId: id, clientId: id }).nullable(),
  masked_waiting: z.array(waiting),
  record_relays: z.strictObject({
    decided: count,
    queued: count,
    /** Conversations of which something changed since: they are decided again. */
    stale: z.array(id),
    relayed: z.array(z.strictObject({
      message_id: id,
      org_id: id,
      thread_id: id.nullable(),
      outcome: z.string(),
      reason: z.string(),
    })),
  }),
  send_in_thread: z.strictObject({
    decision_id: id,
    outcome,
    reason: z.string(),
    types: z.array(z.string()),
    /** Whether an earlier request with the same key did it. */
    repeated: z.boolean(),
  }),
  blocked_text: z.strictObject({
    thread_id: id,
    from_role: writer,
    /** Null for words that are not kept any more. */
    text: z.string().nullable(),
    message_id: id.nullable(),
    media: count,
  }).nullable(),
  list_threads: z.array(threadRow),
  read_thread: z.strictObject({
    thread: threadRow,
    /** Our number, digits; null to a sitter. */
    number: z.string().nullable(),
    /** Nobody to a sitter. */
    people: z.array(person),
    entries: z.array(entry),
  }).nullable(),
  owner_inbox: z.array(inboxItem),
  list_findings: z.strictObject({
    /** Findings that nobody has reviewed, and those that were right or a false alarm. */
    open: count,
    right: count,
    false_alarms: count,
    texts: z.array(inboxItem),
  }),
  text_ground: z.strictObject({
    countries: z.array(z.string()),
    own_numbers: z.array(z.string()),
    earlier: z.array(z.string()),
  }).nullable(),
  pool_forecast: forecast,
  org_notices_due: z.array(z.strictObject({
    org_id: id,
    /** Its name. */
    org: z.string(),
    member_id: id,
    topic,
    begins: z.boolean(),
    since: at,
    /** First four digits of the phone. */
    prefix: z.string().nullable(),
  })),
  tell_members: z.array(z.strictObject({
    org_id: id,
    member_id: id,
    topic,
    way,
    why: z.string().nullable(),
  })),
  list_org_notices: z.strictObject({
    tell_members: z.boolean(),
    topics: z.array(z.strictObject({ topic, is_on: z.boolean(), since: at })),
    /** How many are to be told now. */
    due: count,
    notices: z.array(z.strictObject({
      at,
      member_id: id,
      role: z.enum(["owner", "admin", "sitter"]),
      topic,
      begins: z.boolean(),
      way,
      why: z.string().nullable(),
    })),
  }).nullable(),
  messages_steps: z.array(z.strictObject({
    step: z.string(),
    /** The flag of the step before. */
    flag: z.string(),
    stable: z.boolean(),
    because: z.enum(["off", "changed", "failures", "incident", "proof", "no_data", "share", "stable"]),
    figures,
  })),
  list_pools: z.array(forecast.extend({ org_id: id, name: z.string() })),
  messages_diagnostics: diagnostics.nullable(),
  messages_proof: proof,
} as const;
