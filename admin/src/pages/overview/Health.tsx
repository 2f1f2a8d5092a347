/** The verdict: whether everything is well, what is not, and where to mend it; then each part with its reason. */
import { Anchor, Group, Paper, SimpleGrid, Stack, Text } from "@mantine/core";
import { Link } from "wouter";
import { Icon } from "../../ui/icons.tsx";
import { ago, exact } from "../../ui/times.ts";
import type { HealthInWords, Trouble } from "../../../../supabase/functions/_shared/contract/words/health.ts";
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

/** The page where a part is mended; of a destination, its card. */
const PLACES: Record<string, string> = {
  queue: "/deliveries",
  clock: "/settings",
  graph: "/messages",
  senders: "/settings",
  config: "/flags",
  guard: "/rollouts",
};

/** So much is named in the heading; all of it stands below. */
const NAMED = 2;

interface Props {
  parts: HealthInWords[];
  troubles: Trouble[];
  /** When the project last answered, in Unix milliseconds, if it does not answer now. */
  silentSince: number | undefined;
  now: number;
}

export function Health({ parts, troubles, silentSince, now }: Props) {
  const isKnown = silentSince === undefined;
  const worst = !isKnown || troubles.some(({ status }) => status === "down")
    ? "down"
    : troubles.length > 0
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
          <Stack gap={4} style={{ minWidth: 0 }}>
            <Text fw={650} size="lg" lh={1.3} component="h2">
              {isKnown ? headingOf(troubles) : "Not known: the project is not responding"}
            </Text>
            {!isKnown && (
              <Text size="sm" title={exact(new Date(silentSince))}>
                It last answered {ago(new Date(silentSince), now)}. Everything below is from then.
              </Text>
            )}
            {isKnown &&
              troubles.map((trouble) => <Cause key={`${trouble.component} ${trouble.why}`} of={trouble} />)}
          </Stack>
        </Group>
        <SimpleGrid cols={{ base: 2, sm: 3, lg: 6 }} spacing="md" component="ul" className={classes.list}>
          {parts.map(({ component, status, why }) => (
            <Stack key={component} gap={0} component="li" style={{ padding: 0, border: "none" }}>
              <Group gap={6} wrap="nowrap">
                <span className={classes.dot} data-state={isKnown ? status : "unknown"} />
                <Text size="sm" fw={600} truncate>{NAMES[component] ?? component}</Text>
              </Group>
              <Text size="xs" c="dimmed" lineClamp={2} title={why}>
                {isKnown ? WORDS[status] : `Was ${WORDS[status].toLowerCase()}`}: {why}
              </Text>
            </Stack>
          ))}
        </SimpleGrid>
      </Stack>
    </Paper>
  );
}

function headingOf(troubles: Trouble[]): string {
  if (troubles.length === 0) return "Everything is well";
  const names = [
    ...new Set(troubles.map(({ component, destination }) => destination ?? NAMES[component] ?? component)),
  ];
  const named = names.slice(0, NAMED).join(", ") +
    (names.length > NAMED ? ` and ${names.length - NAMED} more` : "");
  return `${named}: ${troubles.some(({ status }) => status === "down") ? "down" : "needs attention"}`;
}

/** A cause in one sentence, which leads to where it is mended. */
function Cause({ of: { component, destination, why } }: { of: Trouble }) {
  const place = PLACES[component];
  const sentence = why.charAt(0).toUpperCase() + why.slice(1);
  if (place === undefined) return <Text size="sm">{sentence}</Text>;
  const href = destination === undefined ? place : `${place}?destination=${encodeURIComponent(destination)}`;
  return (
    <Anchor component={Link} href={href} size="sm" underline="always" style={{ overflowWrap: "anywhere" }}>
      {destination === undefined ? sentence : why}
    </Anchor>
  );
}
