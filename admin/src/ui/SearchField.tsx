/** A search that the database makes, a moment after somebody has stopped typing. */
import { TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { useEffect, useState } from "react";
import { Icon } from "./icons.tsx";

const PAUSE_MS = 250;

export function SearchField(
  { label, value, onChange, isWide = false }: {
    label: string;
    value: string;
    onChange: (text: string) => void;
    /** As wide as what it is in, whatever the window. */
    isWide?: boolean;
  },
) {
  const [typed, setTyped] = useState(value);
  const search = useDebouncedCallback(onChange, PAUSE_MS);
  // Cleared by another control.
  useEffect(() => setTyped((typed) => typed.trim() === value ? typed : value), [value]);
  return (
    <TextInput
      aria-label={label}
      placeholder={label}
      type="search"
      leftSection={<Icon name="search" size={16} />}
      value={typed}
      onChange={({ currentTarget: { value } }) => (setTyped(value), search(value.trim()))}
      w={isWide ? "100%" : { base: "100%", xs: 320 }}
    />
  );
}
