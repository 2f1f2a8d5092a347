/** A condition, part by part: what may be written is what the router takes. */
import { ActionIcon, Button, Checkbox, Group, Select, Stack, TagsInput, TextInput } from "@mantine/core";
import type { Condition } from "../../../../supabase/functions/_shared/routing/condition.ts";
import { Icon } from "../../ui/icons.tsx";
import { freshWindow, WindowFields } from "../../ui/WindowFields.tsx";
import { CHANNELS } from "./data.ts";
import classes from "./routes.module.css";

type Type = Condition["type"];

const TYPES: { value: Type; label: string }[] = [
  { value: "any", label: "Every message, or any of these" },
  { value: "all", label: "All of these" },
  { value: "not", label: "Not" },
  { value: "default", label: "What no other route takes" },
  { value: "text", label: "Text" },
  { value: "channel", label: "Channel" },
  { value: "message_type", label: "Kind of message" },
  { value: "choice", label: "Chosen button or row" },
  { value: "link", label: "Came from a link" },
  { value: "link_token", label: "Came through any link" },
  { value: "referral", label: "Came from an ad or post" },
  { value: "number", label: "Our number" },
  { value: "contacts", label: "Certain contacts" },
  { value: "time", label: "Time of the week" },
];

/** What a part begins with. */
function fresh(type: Type): Condition {
  const part: Record<Type, unknown> = {
    any: {},
    all: { of: [fresh_text()] },
    not: { of: fresh_text() },
    default: {},
    text: { match: "keywords", values: [], case_sensitive: false },
    channel: { in: [] },
    message_type: { in: [] },
    choice: { ids: [] },
    link: { tags: [] },
    link_token: { present: true },
    referral: {},
    number: { ids: [] },
    contacts: { phones: [] },
    time: freshWindow(),
  };
  return { type, ...part[type] as object } as Condition;
}
const fresh_text = (): Condition => ({ type: "text", match: "keywords", values: [], case_sensitive: false });

interface Props {
  value: Condition;
  onChange: (value: Condition) => void;
  /** What this part is, for screen readers: "Condition", "Part 2". */
  label: string;
  nested?: boolean;
}

export function ConditionEditor({ value, onChange, label, nested }: Props) {
  // Only a whole route can be the fallback.
  const types = nested ? TYPES.filter((type) => type.value !== "default") : TYPES;
  return (
    <Stack gap="xs" role="group" aria-label={label}>
      <Select
        label={nested ? undefined : label}
        aria-label={nested ? label : undefined}
        data={types}
        allowDeselect={false}
        value={value.type}
        onChange={(type) => type && type !== value.type && onChange(fresh(type as Type))}
      />
      <Fields value={value} onChange={onChange} label={label} />
    </Stack>
  );
}

function Fields({ value, onChange, label }: Omit<Props, "nested">) {
  const set = (changes: object) => onChange({ ...value, ...changes } as Condition);
  switch (value.type) {
    case "default":
    case "link_token":
      return null;
    case "any":
    case "all":
      return (
        <Parts
          of={value.of ?? []}
          label={label}
          // "any" without parts is every message; "all" needs one.
          least={value.type === "all" ? 1 : 0}
          onChange={(of) => onChange(of.length === 0 ? { type: "any" } : { ...value, of })}
        />
      );
    case "not":
      return (
        <div className={classes.nested}>
          <ConditionEditor value={value.of} onChange={(of) => set({ of })} label={`${label}: not`} nested />
        </div>
      );
    case "text":
      return (
        <>
          <Select
            aria-label={`${label}: how the text compares`}
            data={[
              { value: "keywords", label: "has one of these words" },
              { value: "exact", label: "is one of these" },
              { value: "prefix", label: "starts with one of these" },
              { value: "regex", label: "matches one of these (RE2)" },
            ]}
            allowDeselect={false}
            value={value.match}
            onChange={(match) => set({ match })}
          />
          <Words label={`${label}: words`} value={value.values} onChange={(values) => set({ values })} />
          <Checkbox
            label="Capital letters matter"
            checked={value.case_sensitive}
            onChange={({ currentTarget: { checked } }) => set({ case_sensitive: checked })}
          />
        </>
      );
    case "channel":
      return (
        <Words
          label={`${label}: channels`}
          data={CHANNELS}
          value={value.in}
          onChange={(channels) => set({ in: channels })}
        />
      );
    case "message_type":
      return (
        <Words
          label={`${label}: kinds`}
          data={[
            "text",
            "image",
            "video",
            "audio",
            "document",
            "location",
            "interactive",
            "button",
            "sticker",
          ]}
          value={value.in}
          onChange={(kinds) => set({ in: kinds })}
        />
      );
    case "choice":
      return <Words label={`${label}: ids`} value={value.ids} onChange={(ids) => set({ ids })} />;
    case "number":
      return <Words label={`${label}: phone_number_id`} value={value.ids} onChange={(ids) => set({ ids })} />;
    case "link":
      return (["tags", "campaigns", "codes"] as const).map((name) => (
        <Words
          key={name}
          title={{ tags: "Tags", campaigns: "Campaigns", codes: "Codes" }[name]}
          label={`${label}: ${name}`}
          value={value[name] ?? []}
          onChange={(list) => onChange(list.length > 0 ? { ...value, [name]: list } : without(value, name))}
        />
      ));
    case "contacts":
      return (["phones", "ids"] as const).map((name) => (
        <Words
          key={name}
          title={{ phones: "Phone numbers, with country code", ids: "Ids of contacts" }[name]}
          label={`${label}: ${name}`}
          value={value[name] ?? []}
          onChange={(list) => onChange(list.length > 0 ? { ...value, [name]: list } : without(value, name))}
        />
      ));
    case "referral":
      return (["source_type", "source_id"] as const).map((name) => (
        <TextInput
          key={name}
          label={{ source_type: "Kind: ad or post (optional)", source_id: "Id (optional)" }[name]}
          value={value[name] ?? ""}
          onChange={({ currentTarget: { value: text } }) =>
            onChange(text ? { ...value, [name]: text } : without(value, name))}
        />
      ));
    case "time":
      return <WindowFields value={value} onChange={set} label={label} />;
  }
}

function without<T extends Condition>(value: T, name: string): Condition {
  const { [name]: _, ...rest } = value as Record<string, unknown>;
  return rest as unknown as Condition;
}

function Words(
  { label, title, value, onChange, data }: {
    label: string;
    title?: string;
    value: string[];
    onChange: (value: string[]) => void;
    data?: string[];
  },
) {
  return (
    <TagsInput
      label={title}
      aria-label={title ? undefined : label}
      placeholder={value.length === 0 ? "Type, then Enter" : undefined}
      data={data}
      acceptValueOnBlur
      value={value}
      onChange={onChange}
    />
  );
}

function Parts(
  { of, label, least, onChange }: {
    of: Condition[];
    label: string;
    least: number;
    onChange: (of: Condition[]) => void;
  },
) {
  return (
    <Stack gap="sm" className={classes.nested}>
      {of.map((part, index) => (
        <Group key={index} align="flex-start" wrap="nowrap" gap="xs">
          <div style={{ flex: 1, minWidth: 0 }}>
            <ConditionEditor
              value={part}
              onChange={(changed) => onChange(of.map((one, at) => at === index ? changed : one))}
              label={`${label}: part ${index + 1}`}
              nested
            />
          </div>
          {of.length > least && (
            <ActionIcon
              variant="subtle"
              color="gray"
              size="lg"
              aria-label={`${label}: remove part ${index + 1}`}
              onClick={() => onChange(of.filter((_, at) => at !== index))}
            >
              <Icon name="trash" size={18} />
            </ActionIcon>
          )}
        </Group>
      ))}
      <Button
        size="xs"
        variant="default"
        leftSection={<Icon name="plus" size={16} />}
        style={{ alignSelf: "flex-start" }}
        onClick={() => onChange([...of, fresh_text()])}
      >
        Add a part
      </Button>
    </Stack>
  );
}
