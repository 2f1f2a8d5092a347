/** A person as everybody may see them: the name's first letter and the last four digits. */
import { Text } from "@mantine/core";

/** The last four digits of a phone number or id, the rest as dots: `···· 0142`; of a mail address the domain. */
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
