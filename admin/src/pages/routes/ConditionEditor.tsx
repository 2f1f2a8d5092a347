/** Edits a condition part by part. It offers exactly what the router accepts. */
import {
  ActionIcon,
  Button,
  Checkbox,
  Group,
  MultiSelect,
  Select,
  Stack,
  TagsInput,
  TextInput,
} from "@mantine/core";
import { INBOUND_TYPES } from "../../../../supabase/functions/_shared/contract/messages.ts";
import type { Condition } from "../../../../supabase/functions/_shared/contract/routing/condition.ts";
import { Icon } from "../../ui/icons.tsx";
import { WindowFields } from "../../ui/WindowFields.tsx";
import {
  choicesOf,
  conditionOf,
  type Draft,
  draftOf,
  fresh,
  freshText,
  type Presence,
} from "./condition_draft.ts";
import { CHANNELS } from "./data.ts";
import { MAIL_KINDS } from "./MailFields.tsx";
import classes from "./routes.module.css";

const PRESENCES: { value: Presence; label: string }[] = [
  { value: "either", label: "optional" },
  { value: "with", label: "required" },
  { value: "without", label: "must be absent" },
];

interface Props {
  value: Condition;
  onChange: (value: Condition) => void;
  /** Name of this part for screen readers: "Condition", "Part 2". */
  label: string;
  nested?: boolean;
}

export function ConditionEditor({ value, onChange, label, nested }: Props) {
  return (
    <Stack gap="xs" role="group" aria-label={label}>
      <Select
        label={nested ? undefined : label}
        aria-label={nested ? label : undefined}
        data={choicesOf({ type: value.type, nested: nested === true })}
        allowDeselect={false}
        value={value.type}
        onChange={(type) => type && type !== value.type && onChange(fresh(type))}
      />
      <Fields value={draftOf(value)} onChange={(draft) => onChange(conditionOf(draft))} label={label} />
    </Stack>
  );
}

function Fields(
  { value, onChange, label }: { value: Draft; onChange: (value: Draft) => void; label: string },
) {
  const set = (changes: object) => onChange({ ...value, ...changes } as Draft);
  switch (value.type) {
    case "default":
      return null;
    case "link_token":
      return (
        <Select
          aria-label={`${label}: link`}
          data={[
            { value: "with", label: "came through one of your links" },
            { value: "without", label: "did not come through a link" },
          ]}
          allowDeselect={false}
          value={value.present ? "with" : "without"}
          onChange={(presence) => set({ present: presence === "with" })}
        />
      );
    case "any":
    case "all":
      return (
        <Parts
          of={value.of ?? []}
          label={label}
          // "any" without parts matches every message; "all" needs at least one.
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
            aria-label={`${label}: comparison`}
            data={[
              { value: "keywords", label: "contains one of these words" },
              { value: "exact", label: "equals one of these" },
              { value: "prefix", label: "starts with one of these" },
              { value: "regex", label: "matches one of these patterns (RE2)" },
            ]}
            allowDeselect={false}
            value={value.match}
            onChange={(match) => set({ match })}
          />
          <Words label={`${label}: words`} value={value.values} onChange={(values) => set({ values })} />
          <Checkbox
            label="Case-sensitive"
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
          label={`${label}: types`}
          data={[...INBOUND_TYPES]}
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
          value={value[name]}
          onChange={(list) => set({ [name]: list })}
        />
      ));
    case "contacts":
      return (["phones", "ids"] as const).map((name) => (
        <Words
          key={name}
          title={{ phones: "Phone numbers, with country code", ids: "Contact ids" }[name]}
          label={`${label}: ${name}`}
          value={value[name]}
          onChange={(list) => set({ [name]: list })}
        />
      ));
    case "group":
      return (
        <Words
          title="Ids of groups (optional)"
          label={`${label}: ids`}
          value={value.ids}
          onChange={(ids) => set({ ids })}
        />
      );
    case "flow":
      return (
        <>
          <Words
            title="Tokens with which the Flow was sent (optional)"
            label={`${label}: tokens`}
            value={value.tokens}
            onChange={(tokens) => set({ tokens })}
          />
          <TextInput
            label="Field (optional)"
            value={value.field}
            onChange={({ currentTarget: { value: field } }) => set({ field })}
          />
          <Words
            title="Answers in this field"
            label={`${label}: answers`}
            value={value.values}
            onChange={(values) => set({ values })}
          />
        </>
      );
    case "email":
      return (
        <>
          <MultiSelect
            label="Kinds (optional)"
            placeholder={value.kinds.length === 0 ? "any kind" : undefined}
            data={MAIL_KINDS}
            value={value.kinds}
            onChange={(kinds) => set({ kinds })}
          />
          <Select
            label="Verified author"
            data={PRESENCES}
            allowDeselect={false}
            value={value.verified}
            onChange={(verified) => set({ verified })}
          />
          {(["identities", "subjects"] as const).map((name) => (
            <Words
              key={name}
              title={{
                identities: "To your addresses (optional)",
                subjects: "Words of the subject (optional)",
              }[name]}
              label={`${label}: ${name}`}
              value={value[name]}
              onChange={(list) => set({ [name]: list })}
            />
          ))}
        </>
      );
    case "address":
      return (["domains", "scopes", "types"] as const).map((name) => (
        <Words
          key={name}
          title={{
            domains: "Domain: first part",
            scopes: "Scope: second part",
            types: "Type: third part",
          }[name]}
          label={`${label}: ${name}`}
          value={value[name]}
          onChange={(list) => set({ [name]: list })}
        />
      ));
    case "referral":
      return (
        <>
          {(["source_type", "source_id"] as const).map((name) => (
            <TextInput
              key={name}
              label={{ source_type: "Type: ad or post (optional)", source_id: "Id (optional)" }[name]}
              value={value[name]}
              onChange={({ currentTarget: { value: text } }) => set({ [name]: text })}
            />
          ))}
          <Select
            label="Click id of the ad (ctwa_clid)"
            data={PRESENCES}
            allowDeselect={false}
            value={value.ctwa}
            onChange={(ctwa) => set({ ctwa })}
          />
        </>
      );
    case "time":
      return <WindowFields value={value} onChange={set} label={label} />;
  }
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
      placeholder={value.length === 0 ? "Type and press Enter" : undefined}
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
              label={`${label}: condition ${index + 1}`}
              nested
            />
          </div>
          {of.length > least && (
            <ActionIcon
              variant="subtle"
              color="gray"
              size="lg"
              aria-label={`${label}: remove condition ${index + 1}`}
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
        onClick={() => onChange([...of, freshText()])}
      >
        Add condition
      </Button>
    </Stack>
  );
}
