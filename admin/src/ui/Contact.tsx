/** A contact by its last four characters, as the database gives them, masked for everybody: the first letter of the name and the last four digits. */
import { Text } from "@mantine/core";

/**
 * Masks all but the last four digits of a phone number or id: `···· 0142`; of an email address all but the
 * domain.
 */
export function redacted(id: string): string {
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
      aria-label={`Contact ending in ${redacted(id).replace(/^···· ?/, "")}`}
    >
      {name ? `${name.trim().charAt(0)}. ` : ""}
      {redacted(id)}
    </Text>
  );
}
