/** Other targets for some visitors: rules in order, of which the first that applies decides. */
import { ActionIcon, Button, Group, Paper, Stack, Text } from "@mantine/core";
import { Icon } from "../../../ui/icons.tsx";
import type { Target } from "../../../../../supabase/functions/_shared/contract/links.ts";
import type { WaNumber } from "../words.ts";
import { useForm } from "./fields.tsx";
import { PlaceEditor } from "./PlaceEditor.tsx";
import { WhenEditor } from "./WhenEditor.tsx";

export function RulesEditor({ numbers }: { numbers: WaNumber[] }) {
  const { body, set } = useForm();
  const rules = body.targets ?? [];
  const write = (targets: Target[]) => set("targets", targets);
  const move = (index: number, by: -1 | 1) => {
    const moved = [...rules];
    [moved[index], moved[index + by]] = [moved[index + by], moved[index]];
    write(moved);
  };
  return (
    <Stack gap="sm">
      {rules.map((_, index) => (
        <Paper key={index} withBorder p="sm" role="group" aria-label={`Rule ${index + 1}`}>
          <Stack gap="sm">
            <Group justify="space-between" wrap="nowrap">
              <Text size="sm" fw={650}>Rule {index + 1}</Text>
              <Group gap={2} wrap="nowrap">
                <Tool
                  name={`Move rule ${index + 1} up`}
                  icon="up"
                  disabled={index === 0}
                  onClick={() =>
                    move(index, -1)}
                />
                <Tool
                  name={`Move rule ${index + 1} down`}
                  icon="down"
                  disabled={index === rules.length - 1}
                  onClick={() =>
                    move(index, 1)}
                />
                <Tool
                  name={`Remove rule ${index + 1}`}
                  icon="trash"
                  onClick={() =>
                    write(rules.filter((_, at) =>
                      at !== index
                    ))}
                />
              </Group>
            </Group>
            <WhenEditor path={`targets[${index}].when`} rule={index + 1} />
            <PlaceEditor path={`targets[${index}]`} rule={index + 1} numbers={numbers} />
          </Stack>
        </Paper>
      ))}
      {rules.length === 0 && (
        <Text size="sm" c="dimmed">
          All visitors go to the same target. Add a rule to send some of them elsewhere: by platform, country,
          language, time and more.
        </Text>
      )}
      <Button
        variant="default"
        size="xs"
        leftSection={<Icon name="plus" size={16} />}
        onClick={() => write([...rules, { when: { platform: [] }, url: "" }])}
        style={{ alignSelf: "flex-start" }}
      >
        Add rule
      </Button>
    </Stack>
  );
}

function Tool(
  { name, icon, disabled, onClick }: {
    name: string;
    icon: "up" | "down" | "trash";
    disabled?: boolean;
    onClick: () => void;
  },
) {
  return (
    <ActionIcon
      variant="subtle"
      color="gray"
      aria-label={name}
      title={name}
      disabled={disabled}
      onClick={onClick}
    >
      <Icon name={icon} size={18} />
    </ActionIcon>
  );
}
