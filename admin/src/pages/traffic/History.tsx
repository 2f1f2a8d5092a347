/** Who split traffic, when, how and why. */
import { Button, Stack, Text } from "@mantine/core";
import { type SplitStep, useSplitHistory } from "../../data/traffic.ts";
import { useNames } from "../../session/team.ts";
import { Reason } from "../../ui/Reason.tsx";
import { Section } from "../../ui/Section.tsx";
import { LoadedPages } from "../../ui/states.tsx";
import { Time } from "../../ui/Time.tsx";

/** Green's share after a step, in percent. */
function greenOf(after: SplitStep["after"]): number {
  if (after?.value !== "true") return 0;
  return after.metadata.rollout_percentage ?? 100;
}

export function History() {
  const nameOf = useNames();
  const steps = useSplitHistory();
  return (
    <Section title="History">
      <LoadedPages
        of={steps}
        empty={<Text size="sm" c="dimmed">Traffic was never split.</Text>}
      >
        {(items) => (
          <Stack
            gap="sm"
            component="ol"
            style={{ listStyle: "none", margin: 0, padding: 0 }}
            aria-label="History"
          >
            {items.map((step) => (
              <li key={step.version}>
                <Text size="sm" component="div">
                  <strong>Green {greenOf(step.after)} %</strong> by {nameOf(step.changed_by)},{" "}
                  <Time at={step.changed_at} />
                </Text>
                {step.reason && (
                  <Text size="sm" c="dimmed" style={{ overflowWrap: "anywhere" }}>
                    <Reason text={step.reason} />
                  </Text>
                )}
              </li>
            ))}
            {steps.hasMore && (
              <li>
                <Button size="xs" variant="default" fullWidth loading={steps.reading} onClick={steps.more}>
                  Show more
                </Button>
              </li>
            )}
          </Stack>
        )}
      </LoadedPages>
    </Section>
  );
}
