/**
 * A number that is also used in the WhatsApp Business app: what Meta sends of the time before it was connected. Pure. Source:
 * Meta, "history webhook reference" and "smb_app_state_sync webhook reference".
 */
import { Buffer } from "node:buffer";
import type { AccountChange, AccountIds } from "./accounts.ts";
import type { Contact, Json } from "./model.ts";

/** Something that the business does in its app when it connects its number. */
export type CoexistenceAct = { do: "import_chats" | "decline_chats" | "sync_contacts" };

/** Whether an act is one of the business's app. */
export function isOfApp(act: { do: string }): act is CoexistenceAct {
  return ["import_chats", "decline_chats", "sync_contacts"].includes(act.do);
}

const DAY = 86_400;
/** A file that the simulator has. */
const PHOTO = { id: "900000000000001", mime_type: "image/jpeg", caption: "Our table by the harbour" };

/** What is said in each chat: how many days ago, by whom, with which words; without words it is a photo. */
const CHAT: readonly [daysAgo: number, from: "person" | "business", words?: string][] = [
  [95, "person", "Do you open on Sundays?"],
  [95, "business", "From 10 to 6."],
  [3, "person"],
  [0.2, "business", "Lovely, see you on Sunday!"],
  [0.1, "person", "See you!"],
];

/** The webhooks of an act, in the order in which Meta might send them: chunks overtake each other. */
export function appChanges(
  act: CoexistenceAct,
  account: AccountIds,
  people: readonly Contact[],
  now: number,
): AccountChange[] {
  const value = (rest: Json): Json => ({
    messaging_product: "whatsapp",
    metadata: { display_phone_number: account.displayNumber, phone_number_id: account.phoneNumberId },
    ...rest,
  });
  const history = (...chunks: Json[]): AccountChange => ({
    field: "history",
    value: value({ history: chunks }),
  });
  if (act.do === "decline_chats") {
    const title = "History sync is turned off by the business from the WhatsApp Business App";
    const error_data = { details: "History sharing is turned off by the business" };
    return [history({ errors: [{ code: 2593109, title, message: title, error_data }] })];
  }
  const reachable = people.filter((person) => person.phone ?? person.bsuid);
  if (act.do === "sync_contacts") {
    const state_sync = reachable.map((person) => ({
      type: "contact",
      contact: {
        full_name: `${person.name} (customer)`,
        first_name: person.name.split(" ")[0],
        ...(person.phone && { phone_number: person.phone }),
        ...(person.bsuid && { user_id: person.bsuid }),
      },
      action: "add",
      metadata: { timestamp: String(Math.floor(now / 1000)) },
    }));
    return state_sync.length === 0 ? [] : [{ field: "smb_app_state_sync", value: value({ state_sync }) }];
  }
  const chunk = (phase: number, progress: number, newest: number, oldest: number): Json => ({
    metadata: { phase, chunk_order: 1, progress },
    threads: reachable.map((person) => threadOf(person, account, now, newest, oldest)),
  });
  return [
    history(chunk(1, 70, 1, 90)),
    history(chunk(0, 30, 0, 1)),
    ...reachable.map((person): AccountChange => ({
      field: "history",
      value: value({ messages: [photoOf(person, account, now)] }),
    })),
    history(chunk(2, 100, 90, 180)),
  ];
}

/** The part of a person's chat that is between so many days old. */
function threadOf(person: Contact, account: AccountIds, now: number, newest: number, oldest: number): Json {
  const context = {
    ...(person.bsuid && { user_id: person.bsuid }),
    ...(person.username && { username: person.username }),
  };
  return {
    id: person.phone ?? person.bsuid,
    ...(Object.keys(context).length > 0 && { context }),
    messages: CHAT.flatMap(([daysAgo, from, words], index) =>
      daysAgo < newest || daysAgo >= oldest ? [] : [{
        ...envelope(person, account, now, index),
        ...(words === undefined ? { type: "media_placeholder" } : { type: "text", text: { body: words } }),
        history_context: { status: from === "person" ? "READ" : "DELIVERED" },
      }]
    ),
  };
}

function photoOf(person: Contact, account: AccountIds, now: number): Json {
  const index = CHAT.findIndex(([, , words]) => words === undefined);
  return { ...envelope(person, account, now, index), type: "image", image: PHOTO };
}

/** Ids are the same each time, as the phone's are. */
function envelope(person: Contact, account: AccountIds, now: number, index: number): Json {
  const [daysAgo, from] = CHAT[index];
  const ours = from === "business";
  return {
    ...(ours
      ? { from: account.displayNumber }
      : person.phone
      ? { from: person.phone }
      : { from_user_id: person.bsuid }),
    ...(ours && { to: person.phone ?? person.bsuid }),
    id: `wamid.${Buffer.from(`past ${account.phoneNumberId} ${person.id} ${index}`).toString("base64")}`,
    timestamp: String(Math.floor(now / 1000 - daysAgo * DAY) + index),
  };
}
