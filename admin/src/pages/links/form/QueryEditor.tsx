/** Query parameters that a visit must have, each with certain values or with any. */
import { ActionIcon, Button, Group, Stack, TagsInput, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { Icon } from "../../../ui/icons.tsx";
import { valueAt } from "./body.ts";
import { useFault, useForm } from "./fields.tsx";

type Query = Record<string, string[] | true>;

export function QueryEditor({ path, rule }: { path: string; rule: number }) {
  const { body, set } = useForm();
  const query = (valueAt(body, path) ?? {}) as Query;
  const error = useFault(path);
  const [name, setName] = useState("");
  const ready = name.trim() !== "" && !(name.trim() in query);
  // A name may contain dots, which a path cannot.
  const write = (name: string, values: string[] | true | undefined) => {
    const { [name]: _, ...others } = query;
    set(path, values === undefined ? others : { ...query, [name]: values });
  };
  const add = () => {
    if (!ready) return;
    write(name.trim(), true);
    setName("");
  };
  return (
    <Stack gap="xs">
      {Object.entries(query).map(([name, values]) => (
        <Group key={name} gap="xs" wrap="nowrap" align="flex-start">
          <Text size="sm" ff="monospace" mt={7} style={{ overflowWrap: "anywhere", maxWidth: "40%" }}>
            {name} =
          </Text>
          <TagsInput
            aria-label={`Values of ${name} in rule ${rule}`}
            placeholder={values === true ? "Any value" : undefined}
            acceptValueOnBlur
            style={{ flex: 1 }}
            value={values === true ? [] : [values].flat()}
            onChange={(list) =>
              write(name, list.length === 0 ? true : list)}
          />
          <ActionIcon
            variant="subtle"
            color="gray"
            mt={4}
            aria-label={`Remove parameter ${name} of rule ${rule}`}
            onClick={() =>
              write(name, undefined)}
          >
            <Icon name="trash" size={16} />
          </ActionIcon>
        </Group>
      ))}
      <Group gap="xs" wrap="nowrap" align="flex-start">
        <TextInput
          aria-label={`Parameter for rule ${rule}`}
          placeholder="Name, such as src"
          autoCapitalize="none"
          style={{ flex: 1 }}
          error={error}
          value={name}
          onChange={({ currentTarget: { value } }) => setName(value)}
          onKeyDown={(event) => {
            if (event.key !== "Enter") return;
            event.preventDefault();
            add();
          }}
          onBlur={add}
        />
        <Button
          variant="default"
          disabled={!ready}
          onClick={add}
          aria-label={`Add parameter to rule ${rule}`}
        >
          Add
        </Button>
      </Group>
    </Stack>
  );
}
