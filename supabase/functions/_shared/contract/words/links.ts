/**
 * The settings of a link in words.
 *
 * @module
 */
import { type FieldName, FIELDS, type LinkField } from "../link_fields.ts";
import type { Link } from "../links.ts";

/** One setting. Its value is a text, or an ISO 8601 time that readers see in their own time zone. */
export interface Fact {
  readonly name: FieldName;
  readonly label: string;
  readonly text?: string;
  readonly at?: string;
}

/** Fields that are shown elsewhere: the targets and the tags. */
const ELSEWHERE: readonly LinkField["kind"][] = ["rules", "chat", "tags"];

/** The settings of a link, except targets and tags, in the order of the fields. */
export function factsOf(link: Link): Fact[] {
  return FIELDS.flatMap((field): Fact[] => {
    const value = link[field.name];
    if (value === undefined || ELSEWHERE.includes(field.kind) || field.name === "default_url") return [];
    const { name, label, fact = label } = field;
    if (field.kind === "time") return [{ name, label: fact, at: String(value) }];
    const text = name === "max_uses" ? `${link.uses} of ${value} taken` : textOf(field, value);
    return text === "" ? [] : [{ name, label: fact, text }];
  });
}

/** A value in words; empty if it is the default. */
export function textOf(field: LinkField, value: unknown): string {
  switch (field.kind) {
    case "switch":
      return value === true ? field.on ?? "yes" : "";
    case "tags":
      return (value as readonly string[]).join(", ");
    case "group":
      return Object.keys(field.parts).flatMap((part) => {
        const said = (value as Record<string, string | undefined>)[part];
        return said === undefined || said === "" ? [] : [`${part} ${said}`];
      }).join(", ");
    default:
      return String(value);
  }
}
