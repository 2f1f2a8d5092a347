/**
 * Forms that keep what was typed: through a click beside a drawer, another page, a reload and an ended session. Drafts are
 * in the tab's sessionStorage, under the person's id, and are deleted when the person signs out.
 */
import { useEffect, useMemo, useRef, useState } from "react";
import { newId } from "../data/ids.ts";
import { usePerson } from "./person.ts";

const PREFIX = "gatelink-draft:";

/** A draft as stored: the fields that differ from their initial values, and the record that they were typed for. */
interface Kept<Base> {
  id: string;
  base: Base;
  fields: Record<string, unknown>;
}

/** A value, or how to make it of the previous one. */
type Next<T> = T | ((before: T) => T);

export interface Draft<Base> {
  /**
   * A UUID for what the form makes, stored with the draft: what is asked for again after a lost answer, or after a reload, is
   * made once.
   */
  id: string;
  /** The record when its form was first changed. A save from an older one is then a conflict, after a reload too. */
  base: Base;
  /** Whether a field differs from its initial value. */
  isDirty: boolean;
  /** Whether the form was opened with fields that had been typed before. */
  isRestored: boolean;
  /** The value of a field, and the function that changes it. Not a hook. */
  field<T>(name: string, initial: T): [value: T, set: (next: Next<T>) => void];
  /** Forgets everything typed, after a save or where the person discards it, and takes the record as it is now. */
  clear(): void;
}

/**
 * The draft of one form.
 *
 * Failure policy: a browser that stores nothing keeps the draft only as long as the form is shown.
 *
 * @param name Name of the form and of what it is about: `route:new`. It must not change while the form is shown.
 * @param now The record that the form changes, if it changes one.
 */
export function useDraft<Base = undefined>(name: string, now?: Base): Draft<Base> {
  const me = usePerson();
  const key = `${PREFIX}${me.id}:${name}`;
  const [found] = useState(() => read<Base>(key));
  const [kept, setKept] = useState<Kept<Base>>(() => found ?? begun(now as Base));
  const newest = useRef(kept);
  const record = useRef(now as Base);
  record.current = now as Base;
  const isDirty = Object.keys(kept.fields).length > 0;
  useEffect(() => {
    if (!isDirty) return;
    // Closing the tab is the only way to lose a draft.
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener("beforeunload", warn);
    return () => removeEventListener("beforeunload", warn);
  }, [isDirty]);
  const write = (next: Kept<Base>) => {
    newest.current = next;
    store(key, next);
    setKept(next);
  };
  return useMemo(() => ({
    id: kept.id,
    base: kept.base,
    isDirty,
    isRestored: found !== undefined,
    field: <T>(name: string, initial: T) => {
      const of = ({ fields }: Kept<Base>) => (name in fields ? fields[name] : initial) as T;
      return [of(kept), (next) => {
        const { fields: { [name]: _, ...fields }, ...rest } = newest.current;
        const value = typeof next === "function" ? (next as (before: T) => T)(of(newest.current)) : next;
        write({ ...rest, fields: same(value, initial) ? fields : { ...fields, [name]: value } });
      }];
    },
    clear: () => write(begun(record.current)),
  }), [kept, key]);
}

/** Deletes all drafts of this tab. */
export function forgetDrafts(): void {
  for (const key of stored()) sessionStorage.removeItem(key);
}

/** Deletes the drafts of everybody else: another person signed in within the same tab. */
export function forgetDraftsOfOthers(id: string): void {
  for (const key of stored()) if (!key.startsWith(`${PREFIX}${id}:`)) sessionStorage.removeItem(key);
}

const stored = () => Object.keys(sessionStorage).filter((key) => key.startsWith(PREFIX));

const begun = <Base>(base: Base): Kept<Base> => ({ id: newId(), base, fields: {} });

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);

function read<Base>(key: string): Kept<Base> | undefined {
  try {
    const text = sessionStorage.getItem(key);
    return text === null ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A password is typed again rather than stored. */
const withoutPasswords = (name: string, value: unknown) => name === "password" ? undefined : value;

function store(key: string, kept: Kept<unknown>): void {
  try {
    if (Object.keys(kept.fields).length === 0) sessionStorage.removeItem(key);
    else sessionStorage.setItem(key, JSON.stringify(kept, withoutPasswords));
  } catch {
    // Full or forbidden: the form itself still has it.
  }
}
