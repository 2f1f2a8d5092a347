/** A contact by its last four characters, as the database gives them, masked for everybody: the first letter of the name and the last four digits. */
import { Text } from "@mantine/core";

/** A contact's id. */
export const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * Masks all but the last four digits of a phone number or id: `···· 0142`; of an email address all but the
 * domain.
 */
export function redacted(id: string): string {
  // Four characters of an id that nobody knows would look like those of a number.
  if (UUID.test(id)) return `Contact ${id.slice(0, 8)}…`;
  if (id.includes("@")) return `····${id.slice(id.lastIndexOf("@"))}`;
  const digits = id.replace(/\D/g, "");
  return `···· ${(digits.length >= 4 ? digits : id).slice(-4)}`;
}

export function Contact({ id, name }: { id: string; name?: string | null }) {
  return (
    <Text
      span
      ff="monospace"
      size="sm"
      aria-label={UUID.test(id) ? undefined : `Contact ending in ${redacted(id).replace(/^···· ?/, "")}`}
    >
      {name ? `${name.trim().charAt(0)}. ` : ""}
      {redacted(id)}
    </Text>
  );
}
