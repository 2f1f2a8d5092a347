/**
 * Fields of a link's form. Each has the path of the value that it reads and writes, and shows the fault at
 * that path.
 */
import { sentence } from "../../../../../supabase/functions/_shared/contract/words/sentences.ts";
import { NumberInput, Switch, TagsInput, Textarea, TextInput } from "@mantine/core";
import { createContext, type ReactNode, useContext } from "react";
import type { Fault } from "../../../data/refusal.ts";
import { FlagPicker } from "../../../ui/FlagPicker.tsx";
import { type Draft, isoOf, localOf, valueAt } from "./body.ts";

/** The form of the fields. */
export interface FormState {
  body: Draft;
  set(path: string, value: unknown): void;
  /** The faults of the last refusal, with the refused body. */
  refused: { body: Draft; faults: readonly Fault[] } | undefined;
}

const FormContext = createContext<FormState | undefined>(undefined);
export const FormProvider = FormContext.Provider;

export function useForm(): FormState {
  const form = useContext(FormContext);
  if (!form) throw new Error("useForm() is for what is inside of FormProvider");
  return form;
}

/** Whether a fault is at a path or below it. */
export const isBelow = (path: string, fault: Fault): boolean =>
  fault.path === path || fault.path.startsWith(`${path}.`) || fault.path.startsWith(`${path}[`);

/** The fault at a path, until its value changes. With `alone`, faults below the path do not count. */
export function useFault(path: string, alone = false): string | undefined {
  const { body, refused } = useForm();
  const fault = refused?.faults.find((one) => alone ? one.path === path : isBelow(path, one));
  return fault && valueAt(body, path) === valueAt(refused!.body, path) ? sentence(fault.message) : undefined;
}

/** The value at a path, a function to write it, and its fault. */
function useField<T>(path: string) {
  const { body, set } = useForm();
  const error = useFault(path);
  return {
    value: valueAt(body, path) as T | undefined,
    write: (value: T | undefined) => set(path, value),
    error,
  };
}

interface Props {
  path: string;
  label: string;
  description?: ReactNode;
  placeholder?: string;
  required?: boolean;
  /** Hides the label, except from screen readers. */
  unseen?: boolean;
  /** Text for screen readers instead of the label. */
  spoken?: string;
}

const labelled = ({ label, unseen, spoken }: Props) =>
  unseen ? { "aria-label": label } : { label, "aria-label": spoken };

export function TextField({ path, type = "text", ...props }: Props & { type?: "text" | "url" }) {
  const { value, write, error } = useField<string>(path);
  return (
    <TextInput
      {...labelled({ path, ...props })}
      description={props.description}
      placeholder={props.placeholder}
      required={props.required}
      type={type}
      autoCapitalize="none"
      autoComplete="off"
      error={error}
      value={value ?? ""}
      onChange={({ currentTarget }) => write(currentTarget.value)}
    />
  );
}

export function AreaField({ path, ...props }: Props) {
  const { value, write, error } = useField<string>(path);
  return (
    <Textarea
      {...labelled({ path, ...props })}
      description={props.description}
      placeholder={props.placeholder}
      autosize
      minRows={2}
      error={error}
      value={value ?? ""}
      onChange={({ currentTarget }) => write(currentTarget.value)}
    />
  );
}

export function TagsField(
  { path, data, shape = (text) => text, ...props }: Props & {
    data?: string[];
    /** Normalizes what was typed, such as to lower case. */
    shape?: (text: string) => string;
  },
) {
  const { value, write, error } = useField<string[]>(path);
  return (
    <TagsInput
      {...labelled({ path, ...props })}
      description={props.description}
      placeholder={(value ?? []).length === 0 ? props.placeholder ?? "Type and press Enter" : undefined}
      data={data}
      acceptValueOnBlur
      error={error}
      value={value ?? []}
      onChange={(list) => write([...new Set(list.map(shape))])}
    />
  );
}

export function NumberField(
  { path, min, max, step, suffix, empty, ...props }: Props & {
    /** The value of an empty field; without it an empty field removes the member. */
    empty?: "";
    min?: number;
    max?: number;
    step?: number;
    suffix?: string;
  },
) {
  const { value, write, error } = useField<number | "">(path);
  return (
    <NumberInput
      {...labelled({ path, ...props })}
      description={props.description}
      min={min}
      max={max}
      step={step}
      suffix={suffix}
      allowDecimal={step !== undefined && step % 1 !== 0}
      error={error}
      value={value ?? ""}
      onChange={(next) => write(next === "" ? empty : Number(next))}
    />
  );
}

const HERE = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** A point in time, in the reader's zone. */
export function MomentField({ path, ...props }: Props) {
  const { value, write, error } = useField<string>(path);
  const shown = localOf(value);
  return (
    <TextInput
      {...labelled({ path, ...props })}
      description={props.description ?? `Time in ${HERE}`}
      type="datetime-local"
      // A time with seconds was written by another program and is kept as it is.
      step={shown.length > 16 ? 1 : undefined}
      error={error}
      value={shown}
      onChange={({ currentTarget }) => write(isoOf(currentTarget.value))}
    />
  );
}

export function SwitchField({ path, label, description }: Props) {
  const { value, write } = useField<boolean>(path);
  return (
    <Switch
      label={label}
      description={description}
      checked={value ?? false}
      onChange={({ currentTarget }) => write(currentTarget.checked)}
    />
  );
}

/** One of the flags, with a warning while it is off. */
export function FlagField({ path, warning, ...props }: Props & { warning: string }) {
  const { value, write, error } = useField<string>(path);
  return (
    <FlagPicker
      label={props.label}
      description={props.description}
      error={error}
      value={value ?? ""}
      onChange={write}
      warning={warning}
    />
  );
}
