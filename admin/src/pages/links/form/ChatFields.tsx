/** A chat: the business number, and the text that the visitor sends. */
import { Select } from "@mantine/core";
import type { WaNumber } from "../words.ts";
import { valueAt } from "./body.ts";
import { AreaField, useFault, useForm } from "./fields.tsx";

export function ChatFields(
  { path, numbers, of = "" }: { path: string; numbers: WaNumber[]; /** " of rule 1" */ of?: string },
) {
  const { body, set } = useForm();
  const error = useFault(`${path}.phone_number_id`);
  const number = valueAt(body, `${path}.phone_number_id`) as string | undefined;
  const data = numbers.map(({ id, display_number }) => ({
    value: id,
    label: display_number ? `+${display_number}` : id,
  }));
  // A number that no longer exists stays selected until somebody chooses another.
  if (number && !numbers.some(({ id }) => id === number)) data.push({ value: number, label: number });
  return (
    <>
      <Select
        label="Your number"
        aria-label={`Your number${of}`}
        allowDeselect={false}
        data={data}
        error={error}
        value={number ?? null}
        onChange={(next) => next && set(`${path}.phone_number_id`, next)}
      />
      <AreaField
        path={`${path}.text`}
        label="Message text"
        spoken={`Message text${of}`}
        description="Visitors can edit it before they send it. A short token that identifies the link is added at the end, or where you write {ref}."
      />
    </>
  );
}
