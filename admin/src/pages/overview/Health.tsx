/** The overall health, and that of each part with its reason. */
import { Group, Paper, SimpleGrid, Stack, Text } from "@mantine/core";
import { Icon } from "../../ui/icons.tsx";
import type { HealthInWords } from "../../../../supabase/functions/_shared/contract/words/health.ts";
import classes from "./overview.module.css";

const NAMES: Record<string, string> = {
  database: "Database",
  queue: "Queues",
  clock: "Clock",
  graph: "WhatsApp API",
  senders: "Accounts",
  functions: "Functions",
  config: "Configuration",
  storage: "Storage",
  guard: "Rollout guard",
};
const WORDS = { healthy: "Healthy", degraded: "Degraded", down: "Down" };
const COLOURS = { healthy: "teal", degraded: "yellow", down: "red" };

export function Health({ health }: { health: HealthInWords[] }) {
  const bad = health.filter(({ status }) => status !== "healthy");
  const worst = bad.some(({ status }) => status === "down")
    ? "down"
    : bad.length > 0
    ? "degraded"
    : "healthy";
  return (
    <Paper
      withBorder
      radius="md"
      p="md"
      className={classes.verdict}
      data-state={worst}
      component="section"
      aria-label="Health"
    >
      <Stack gap="md">
        <Group gap="sm" role="status" wrap="nowrap" align="flex-start">
          <Text c={`${COLOURS[worst]}.${worst === "degraded" ? 8 : 7}`} component="span" lh={1}>
            <Icon name={worst === "healthy" ? "check" : "warn"} size={28} />
          </Text>
          <div>
            <Text fw={650} size="lg" lh={1.3}>
              {worst === "healthy"
                ? "All systems healthy"
                : `${bad.map(({ component }) => NAMES[component] ?? component).join(", ")}: ${
                  worst === "down" ? "down" : "degraded"
                }`}
            </Text>
            {bad.map(({ component, why }) => <Text key={component} size="sm">{why}</Text>)}
          </div>
        </Group>
        <SimpleGrid cols={{ base: 2, sm: 3, lg: 6 }} spacing="md" component="ul" className={classes.list}>
          {health.map(({ component, status, why }) => (
            <Stack key={component} gap={0} component="li" style={{ padding: 0, border: "none" }}>
              <Group gap={6} wrap="nowrap">
                <span className={classes.dot} data-state={status} />
                <Text size="sm" fw={600} truncate>{NAMES[component] ?? component}</Text>
              </Group>
              <Text size="xs" c="dimmed" lineClamp={2} title={why}>{WORDS[status]}: {why}</Text>
            </Stack>
          ))}
        </SimpleGrid>
      </Stack>
    </Paper>
  );
}
