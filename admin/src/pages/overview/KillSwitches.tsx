/** What the environment stops: no flag shows it, and none can undo it. */
import { Group, Paper, Text } from "@mantine/core";
import { Icon } from "../../ui/icons.tsx";

const STOPPED: Record<string, string> = {
  FEATURE_ENABLED: "every feature",
  WA_WEBHOOK_ENABLED: "the intake: WhatsApp keeps the messages and repeats them",
  WA_ROUTER_ENABLED: "routing: messages are stored and wait",
  WA_SEND_ENABLED: "sending: nothing goes out",
  DEEPLINKS_ENABLED: "links",
};

export function KillSwitches({ off }: { off: string[] }) {
  return off.map((name) => (
    <Paper
      key={name}
      withBorder
      radius="md"
      p="md"
      role="alert"
      style={{ borderColor: "var(--bad)", borderWidth: 2 }}
    >
      <Group gap="sm" wrap="nowrap" align="flex-start">
        <Text c="var(--bad)" component="span" lh={1}>
          <Icon name="warn" size={28} />
        </Text>
        <div style={{ minWidth: 0 }}>
          <Text fw={650} c="var(--bad)" style={{ overflowWrap: "anywhere" }}>
            {name}=false in the environment stops {STOPPED[name] ?? "this"}
          </Text>
          <Text size="sm">
            The flag cannot turn it on: unset the variable where the functions run.
          </Text>
        </div>
      </Group>
    </Paper>
  ));
}
