/** Waiting work and why it waits, the longest first. */
import { Anchor, Group, Text } from "@mantine/core";
import { Link } from "wouter";
import { waitingInWords } from "../../../../supabase/functions/_shared/contract/words/waiting.ts";
import { useRpc } from "../../data/query.ts";
import { Section } from "../../ui/Section.tsx";
import { InZone } from "../../ui/Time.tsx";
import { duration } from "../../ui/times.ts";
import classes from "./overview.module.css";

export function Waiting() {
  const { data } = useRpc("diagnostics", {});
  if (!data?.waiting.length) return null;
  return (
    <Section title="Queues" flush>
      <ul className={classes.list}>
        {waitingInWords(data.waiting).map(({ what, n, oldest_seconds, why }) => (
          <li key={`${what} ${why}`}>
            <Group justify="space-between" gap="xs">
              <Anchor
                component={Link}
                href={what.startsWith("deliveries") ? "/deliveries" : "/messages"}
                size="sm"
                fw={600}
              >
                {n.toLocaleString()} {what}
              </Anchor>
              <Text size="xs" c="dimmed">
                {oldest_seconds != null && `oldest ${duration(oldest_seconds)}`}
              </Text>
            </Group>
            <Text size="sm" style={{ overflowWrap: "anywhere" }}>
              <InZone text={why} />
            </Text>
          </li>
        ))}
      </ul>
    </Section>
  );
}
