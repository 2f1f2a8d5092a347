/** Fields of a destination's form: which events it gets, in which form, and what of conversations that a person has. */
import { Checkbox, MultiSelect, NativeSelect } from "@mantine/core";
import {
  type DestinationFormat,
  SUBSCRIPTIONS,
  type WhenTaken,
} from "../../../../supabase/functions/_shared/contract/event_types.ts";
import type { useDraft } from "../../session/draft.ts";

/** The values of the fields, kept in the form's draft. */
export interface EventValues {
  events: string[];
  format: DestinationFormat;
  when_taken: WhenTaken;
}

/** What a new destination gets. */
export const PLAIN: EventValues = { events: ["message.received"], format: "gatelink", when_taken: "skip" };

/** The fields' state in a draft; `values` are those of the form now. */
export function useEventFields(draft: ReturnType<typeof useDraft>, begin: EventValues) {
  const [events, setEvents] = draft.field<string[]>("events", begin.events);
  const [format, setFormat] = draft.field<DestinationFormat>("format", begin.format);
  const [whenTaken, setWhenTaken] = draft.field<WhenTaken>("when_taken", begin.when_taken);
  const values: EventValues = { events, format, when_taken: whenTaken };
  return { values, setEvents, setFormat, setWhenTaken };
}

export function EventFields(
  { values, setEvents, setFormat, setWhenTaken }: ReturnType<typeof useEventFields>,
) {
  return (
    <>
      <MultiSelect
        label="Events"
        description="Routes choose its messages; it gets all other events of these types."
        data={[...SUBSCRIPTIONS]}
        value={values.events}
        onChange={setEvents}
        searchable
        hidePickedOptions
        error={values.events.length === 0 ? "Choose at least one." : undefined}
      />
      <NativeSelect
        label="Body format"
        data={[
          { value: "gatelink", label: "Gatelink's events" },
          { value: "meta", label: "Meta's own webhooks" },
        ]}
        value={values.format}
        onChange={({ currentTarget: { value } }) => setFormat(value as DestinationFormat)}
      />
      <Checkbox
        label="Also gets messages of conversations that a person has taken over, marked"
        checked={values.when_taken === "mark"}
        onChange={({ currentTarget: { checked } }) => setWhenTaken(checked ? "mark" : "skip")}
      />
    </>
  );
}
