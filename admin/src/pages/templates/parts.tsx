/** Parts that the pages of templates and the conversation share: state, preview, form. */
import { Paper, Stack, Text, TextInput } from "@mantine/core";
import type { Template } from "../../../../supabase/functions/_shared/contract/answers/templates.ts";
import {
  isSendable,
  previewOf,
  type Slot,
  type TemplateShape,
} from "../../../../supabase/functions/_shared/contract/templates.ts";
import { State } from "../../ui/State.tsx";
import classes from "./templates.module.css";

/** The values that somebody typed, by the slots' keys. */
export type Values = Readonly<Record<string, string>>;

/** A template's status in its colour. */
export function Status({ of: { status, reason } }: { of: Pick<Template, "status" | "reason"> }) {
  const tone = isSendable(status) ? "good" : status === "pending" ? "info" : "bad";
  return <State tone={tone} title={reason ?? undefined}>{status.replaceAll("_", " ")}</State>;
}

/** What the person will see. */
export function Preview({ of, values }: { of: TemplateShape; values?: Values }) {
  const { header, body, footer, buttons } = previewOf(of, values);
  // A form that is still empty has nothing to preview.
  if (!header && !body && !footer && buttons.length === 0) return null;
  return (
    <Paper withBorder p="sm" radius="md" className={classes.preview} role="group" aria-label="Preview">
      {header && (
        <Text fw={600} size="sm" className={classes.words}>
          {header.kind === "text" ? header.text : `[${header.text}]`}
        </Text>
      )}
      <Text size="sm" className={classes.words}>{body}</Text>
      {footer && <Text size="xs" c="dimmed" className={classes.words}>{footer}</Text>}
      {buttons.map(({ text, target }, index) => (
        <Text key={index} size="sm" ta="center" className={classes.button} title={target}>{text}</Text>
      ))}
    </Paper>
  );
}

const PLACEHOLDERS: Partial<Record<Slot["kind"], string>> = {
  image: "https://… or an uploaded file's id",
  video: "https://… or an uploaded file's id",
  document: "https://… or an uploaded file's id",
};

/** A field for each value. `faults` are those of the last attempt, by key. */
export function SlotFields(
  { slots, values, set, faults = {} }: {
    slots: readonly Slot[];
    values: Values;
    set: (values: Values) => void;
    faults?: Readonly<Record<string, string>>;
  },
) {
  return (
    <Stack gap="xs">
      {slots.map(({ key, kind, label, example }) => (
        <TextInput
          key={key}
          label={label}
          placeholder={example === undefined ? PLACEHOLDERS[kind] : `such as ${example}`}
          value={values[key] ?? ""}
          error={faults[key]}
          onChange={({ currentTarget: { value } }) => set({ ...values, [key]: value })}
        />
      ))}
    </Stack>
  );
}
