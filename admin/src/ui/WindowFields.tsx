/** Weekly hours: days, from, to, and the time zone. */
import { MultiSelect, SimpleGrid, TextInput } from "@mantine/core";
import { DAYS, type Window } from "../../../supabase/functions/_shared/contract/window.ts";

const DAY_NAMES = { mon: "Mon", tue: "Tue", wed: "Wed", thu: "Thu", fri: "Fri", sat: "Sat", sun: "Sun" };

export function WindowFields(
  { value, onChange, label, error }: {
    value: Window;
    onChange: (value: Window) => void;
    /** What the fields belong to, for screen readers. */
    label: string;
    error?: string;
  },
) {
  const set = (changes: Partial<Window>) => onChange({ ...value, ...changes });
  return (
    <>
      <MultiSelect
        aria-label={`${label}: days`}
        data={DAYS.map((day) => ({ value: day, label: DAY_NAMES[day] }))}
        error={error}
        value={[...value.days]}
        onChange={(days) => set({ days: DAYS.filter((day) => days.includes(day)) })}
      />
      <SimpleGrid cols={3} spacing="xs">
        <TextInput
          label="From"
          value={value.from}
          onChange={({ currentTarget }) => set({ from: currentTarget.value })}
        />
        <TextInput
          label="To"
          value={value.to}
          onChange={({ currentTarget }) => set({ to: currentTarget.value })}
        />
        <TextInput
          label="Time zone"
          value={value.zone}
          onChange={({ currentTarget }) => set({ zone: currentTarget.value })}
        />
      </SimpleGrid>
    </>
  );
}
