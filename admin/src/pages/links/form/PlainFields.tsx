/**
 * Fields of a link without an editor of their own: those of a section, each by its kind, as listed in
 * `LINK_FIELDS`.
 */
import { SimpleGrid, Stack } from "@mantine/core";
import {
  FIELDS,
  type LinkField,
  type LinkPart,
  type Section,
} from "../../../../../supabase/functions/_shared/contract/link_fields.ts";
import { exact } from "../../../ui/times.ts";
import { type Draft, valueAt } from "./body.ts";
import {
  AreaField,
  FlagField,
  MomentField,
  NumberField,
  SwitchField,
  TagsField,
  TextField,
} from "./fields.tsx";

/** One input: a field, or a part of one. */
interface Plain {
  readonly path: string;
  readonly of: LinkField | LinkPart;
  /** Name of the part, if it is one. */
  readonly part?: string;
  /** How a closed section summarizes the field; see `LinkField`. */
  readonly brief: string | undefined;
}

/** The inputs of a section, in order. */
export function plainOf(section: Section): Plain[] {
  return FIELDS.flatMap((field): Plain[] => {
    const { name, brief } = field;
    if (field.kind !== "group") return field.section === section ? [{ path: name, of: field, brief }] : [];
    return Object.entries(field.parts)
      .filter(([, of]) => (of.section ?? field.section) === section)
      .map(([part, of]) => ({ path: `${name}.${part}`, of, part, brief }));
  });
}

/** Summary of a section's inputs; empty for none. */
export function saidOf(section: Section, body: Draft): string {
  return plainOf(section).flatMap(({ path, of, part, brief }) => {
    const value = valueAt(body, path);
    if (brief === undefined || !value || (typeof value === "string" && value.trim() === "")) return [];
    const words = [brief, part].filter(Boolean).join(" ");
    // Of a long value, shows only that it is set.
    if (of.kind === "switch" || of.kind === "url" || of.tall) return [words];
    return [`${words} ${wordsOf(of.kind, value)}`];
  }).join(", ");
}

function wordsOf(kind: Plain["of"]["kind"], value: unknown): string {
  if (kind === "time") return exact(new Date(String(value)));
  return typeof value === "number" ? value.toLocaleString() : String(value);
}

/** Two inputs side by side, if there is room for short ones. */
export function PlainFields({ section }: { section: Section }) {
  const plain = plainOf(section);
  const pairs = section === "top"
    ? []
    : plain.filter(({ of, part }) => of.kind === "time" || isShort(of, part));
  const others = plain.filter((one) => !pairs.includes(one));
  return (
    <Stack gap="sm">
      {pairs.length > 0 && (
        <SimpleGrid cols={{ base: 1, xs: 2 }}>
          {pairs.map((one) => <PlainField key={one.path} {...one} />)}
        </SimpleGrid>
      )}
      {others.map((one) => <PlainField key={one.path} {...one} />)}
    </Stack>
  );
}

/** Whether a part fits into half of the width: a single word. */
const isShort = ({ kind, tall, help }: LinkField | LinkPart, part: string | undefined) =>
  part !== undefined && kind === "text" && !tall && help === undefined;

function PlainField({ path, of }: Plain) {
  const props = { path, label: of.label, description: of.help, placeholder: of.placeholder };
  switch (of.kind) {
    case "text":
      return of.tall ? <AreaField {...props} /> : <TextField {...props} />;
    case "lines":
      return <AreaField {...props} />;
    case "url":
      return <TextField {...props} type="url" />;
    case "time":
      return <MomentField {...props} />;
    case "integer":
      return <NumberField {...props} min={of.min} />;
    case "switch":
      return <SwitchField {...props} />;
    case "tags":
      return <TagsField {...props} />;
    case "flag":
      return <FlagField {...props} warning="Until it is on, all visitors go to the link's page." />;
    // A group is shown part by part; the chat and the rules have their own editors.
    case "group":
    case "chat":
    case "rules":
      return null;
  }
}
