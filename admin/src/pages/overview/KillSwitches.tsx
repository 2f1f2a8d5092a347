/** The kill switches in the environment. No flag shows or overrides them. */
import { Group, Paper, Text } from "@mantine/core";
import { Icon } from "../../ui/icons.tsx";

const STOPPED: Record<string, string> = {
  FEATURE_ENABLED: "every feature",
  WA_WEBHOOK_ENABLED: "incoming messages: WhatsApp keeps them and retries",
  WA_ROUTER_ENABLED: "routing: messages are stored and wait",
  WA_SEND_ENABLED: "sending: no messages are sent",
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
            A flag cannot override this. Remove the variable from the functions' environment.
          </Text>
        </div>
      </Group>
    </Paper>
  ));
}
