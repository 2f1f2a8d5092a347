/** Chooses flags by a search among all of them, and warns of those that are off or unknown. */
import { MultiSelect, Select, Text } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { type ReactNode, useEffect, useState } from "react";
import { isOn, useFlagPages, useFlagsNamed } from "../data/flags.ts";

interface Props {
  label?: string;
  ariaLabel?: string;
  description?: ReactNode;
  placeholder?: string;
  required?: boolean;
  disabled?: boolean;
}

/** One flag; "" for none. */
export function FlagPicker(
  { label, ariaLabel, description, placeholder, required, disabled, error, value, onChange, warning }:
    & Props
    & {
      error?: ReactNode;
      value: string;
      onChange: (key: string) => void;
      /** What happens while the flag is off or missing; without it there is no warning. */
      warning?: string;
    },
) {
  const [search, setSearch] = useState(value);
  const options = useOptions(search === value ? "" : search, value ? [value] : []);
  // Whoever types a whole key need not choose it too.
  const isWhole = search !== value && options.includes(search);
  useEffect(() => {
    if (isWhole) onChange(search);
  }, [isWhole, search]);
  return (
    <div>
      <Select
        label={label}
        aria-label={ariaLabel}
        description={description}
        placeholder={placeholder}
        required={required}
        disabled={disabled}
        error={error}
        data={options}
        // The database has searched already.
        filter={({ options }) => options}
        value={value || null}
        onChange={(key) => onChange(key ?? "")}
        searchable
        searchValue={search}
        onSearchChange={setSearch}
        nothingFoundMessage="No flag matches."
        clearable={!required}
        clearButtonProps={{ "aria-label": "No flag" }}
      />
      {warning && value && <Warning flag={value}>{warning}</Warning>}
    </div>
  );
}

/** Several flags. @param without Not offered. */
export function FlagsPicker(
  { ariaLabel, placeholder, disabled, values, onChange, without }: Props & {
    values: string[];
    onChange: (keys: string[]) => void;
    without?: string;
  },
) {
  const [search, setSearch] = useState("");
  const options = useOptions(search, values);
  return (
    <MultiSelect
      aria-label={ariaLabel}
      placeholder={placeholder}
      disabled={disabled}
      data={options.filter((key) => key !== without)}
      filter={({ options }) => options}
      value={values}
      onChange={onChange}
      searchable
      searchValue={search}
      onSearchChange={setSearch}
      nothingFoundMessage="No flag matches."
      hidePickedOptions
    />
  );
}

/** Keys that match, and those that are chosen. */
function useOptions(search: string, chosen: readonly string[]): string[] {
  const [typed] = useDebouncedValue(search, 200);
  const { items = [] } = useFlagPages({ search: typed });
  return [...new Set([...items.map(({ key }) => key), ...chosen])];
}

function Warning({ flag, children }: { flag: string; children: string }) {
  const { data } = useFlagsNamed([flag]);
  if (data === undefined) return null;
  const known = data.find(({ key }) => key === flag);
  if (known && isOn(known)) return null;
  return (
    <Text size="sm" c="var(--bad)" role="status" mt={4}>
      {known ? `${flag} is off. ` : `There is no flag ${flag}. `}
      {children}
    </Text>
  );
}
