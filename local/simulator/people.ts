/** The people on the simulated network, and how a business can address them. */
import { z } from "zod";
import type { Contact } from "./model.ts";
import type { Random } from "./random.ts";
import { KEEP, type Store } from "./store.ts";

/** Data of a new or changed person. */
export type ContactInput = Partial<Omit<Contact, "id">> & { name: string };

const INPUT = z.strictObject({
  id: z.string(),
  name: z.string().trim().min(1).max(100),
  phone: z.string().transform(digits).optional(),
  bsuid: z.string().trim().max(150).optional(),
  parentBsuid: z.string().trim().max(150).optional(),
  username: z.string().trim().max(35).transform((name) => name.replace(/^@/, "")).optional(),
  stranger: z.literal(true).optional(),
  group: z.string().optional(),
  members: z.array(z.string()).optional(),
});

/** Most people in a group at Meta. */
const MAX_MEMBERS = 8;

/** Adds, changes and finds contacts. A RangeError names what is invalid or in use. */
export class People {
  #store: Store;
  #random: Random;

  constructor(store: Store, random: Random) {
    this.#store = store;
    this.#random = random;
  }

  get all(): Contact[] {
    return [...this.#store.contacts.values()];
  }

  get(id: string): Contact {
    const contact = this.#store.contacts.get(id);
    if (!contact) throw new RangeError(`no contact ${id}`);
    return contact;
  }

  /**
   * Adds a person. Without a phone number, or with a username, a business-scoped user id is generated unless
   * one is given.
   */
  add(input: ContactInput): Contact {
    if (this.#store.contacts.size >= KEEP.contacts) throw new RangeError(`at most ${KEEP.contacts} contacts`);
    return this.#put({ ...input, id: this.#random.string(8, "0123456789abcdefghjkmnpqrstvwxyz") });
  }

  /** Makes a group of people with the business. */
  addGroup(name: string, members: readonly string[]): Contact {
    const people = [...new Set(members)].map((id) => this.get(id));
    if (
      people.length === 0 || people.length > MAX_MEMBERS || people.some(({ group }) => group !== undefined)
    ) {
      throw new RangeError(`a group has 1 to ${MAX_MEMBERS} people`);
    }
    return this.add({
      name,
      group: this.#random.string(20, "ABCDEFGHJKMNPQRSTVWXYZ23456789"),
      members: people.map(({ id }) => id),
    });
  }

  /** The group with this id at Meta. */
  findGroup(id: unknown): Contact | undefined {
    return this.all.find(({ group }) => group !== undefined && group === id);
  }

  /** Changes a person. With a new phone number, a person with a user id gets a new one, as at Meta. */
  change(id: string, change: Partial<ContactInput>): Contact {
    const before = this.get(id);
    const moved = before.phone && change.phone && digits(change.phone) !== before.phone;
    const bsuid = change.bsuid ?? (moved && before.bsuid ? this.#newBsuid() : before.bsuid);
    return this.#put({ ...before, ...change, bsuid, id });
  }

  /** The contact that `to` (a phone number) or else `recipient` (a user id) of a Graph API call names. */
  find(to: unknown, recipient: unknown): Contact | undefined {
    const [key, value] = to === undefined ? ["bsuid" as const, recipient] : ["phone" as const, phoneOf(to)];
    if (value === undefined) return undefined;
    return this.all.find((one) => one[key] === value) ??
      (key === "phone"
        ? this.all.find(({ phone }) => phone && dialled(phone) === dialled(String(value)))
        : undefined);
  }

  #put(input: ContactInput & { id: string }): Contact {
    const parsed = INPUT.safeParse(input);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      throw new RangeError(`${issue.path.join(".") || "contact"}: ${issue.message}`);
    }
    const { id, name, group, members } = parsed.data;
    if (group !== undefined) {
      const made: Contact = { id, name, group, members };
      this.#store.putContact(made);
      return made;
    }
    const phone = parsed.data.phone || undefined;
    const username = parsed.data.username || undefined;
    const parentBsuid = parsed.data.parentBsuid || undefined;
    const bsuid = parsed.data.bsuid || (phone && !username ? undefined : this.#newBsuid());
    if (phone !== undefined && !isPhone(phone)) {
      throw new RangeError("a phone number has 7 to 15 digits and begins with the country code");
    }
    const taken = this.all.find((one) =>
      one.id !== id &&
      ((phone !== undefined && one.phone === phone) || (bsuid !== undefined && one.bsuid === bsuid))
    );
    if (taken) throw new RangeError(`${taken.name} has this number or user id already`);
    const { stranger } = parsed.data;
    const contact: Contact = { id, name, phone, bsuid, parentBsuid, username, ...(stranger && { stranger }) };
    this.#store.putContact(contact);
    return contact;
  }

  #newBsuid(): string {
    return `US.${this.#random.string(20, "123456789")}`;
  }
}

/**
 * A number as people dial it: Meta shows mobiles of Brazil without the ninth digit, of Mexico with a 1 and of
 * Argentina with a 9 after the country code, and accepts both spellings.
 */
function dialled(phone: string): string {
  return phone.replace(/^(55[1-9]\d)([6-9]\d{7})$/, "$19$2").replace(/^521(\d{10})$/, "52$1")
    .replace(/^549(\d{10})$/, "54$1");
}

/** The digits of a phone number. */
function digits(phone: string): string {
  return phone.replace(/\D/g, "");
}

/** The digits of a phone number in any spelling; undefined if it is not one. */
export function phoneOf(written: unknown): string | undefined {
  const text = String(written);
  return /^\+?[\d\s().-]+$/.test(text) && isPhone(digits(text)) ? digits(text) : undefined;
}

/** Whether these digits can be a phone number in international form. */
function isPhone(digits: string): boolean {
  return /^[1-9]\d{6,14}$/.test(digits);
}
