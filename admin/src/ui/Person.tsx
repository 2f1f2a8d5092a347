/** People whom somebody chose by phone number or id, as they were chosen, and without what a role may not see. */
import { Text } from "@mantine/core";
import { useRpc } from "../data/query.ts";
import { redacted, UUID } from "./Contact.tsx";

/** As many as the database names at once. */
const MOST = 500;

/**
 * Returns a function that names a person in words: `A. ···· 4711` for a contact, which is stored by its id, and the id itself
 * for a person whom the team's own system knows.
 */
export function usePeople(ids: readonly string[]): (id: string) => string {
  const contacts = [...new Set(ids.filter((id) => UUID.test(id)))].slice(0, MOST).sort();
  const named = useRpc("name_contacts", { p_ids: contacts }, { enabled: contacts.length > 0, every: false });
  const known = new Map(named.data?.map((one) => [one.id, one]));
  return (id) => {
    // Phone numbers and addresses stay hidden, wherever they stand.
    if (!UUID.test(id)) {
      return id.includes("@") || /\d{7}/.test(id.replace(/[\s().-]/g, "")) ? redacted(id) : id;
    }
    const contact = known.get(id.toLowerCase());
    const short = id.slice(0, 8);
    if (!contact) {
      return named.data && !named.isPlaceholderData ? `Unknown contact ${short}…` : `Contact ${short}…`;
    }
    const initial = contact.name?.trim() ? `${[...contact.name.trim()][0]}. ` : "";
    return contact.last_four === null
      ? `${initial}Contact ${short}…`
      : `${initial}${redacted(contact.last_four)}`;
  };
}

export function Person({ name }: { name: string }) {
  return <Text span size="sm" dir="auto" style={{ overflowWrap: "anywhere" }}>{name}</Text>;
}
