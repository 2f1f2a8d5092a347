/** The overview: the state of the system in five seconds, and what to stop in ten. */
import { Group, SegmentedControl, SimpleGrid, Stack, Text } from "@mantine/core";
import {
  healthInWords,
  troublesInWords,
} from "../../../../supabase/functions/_shared/contract/words/health.ts";
import { useEnvironment } from "../../data/environment.ts";
import { useRpc } from "../../data/query.ts";
import { useParameter } from "../../ui/location.ts";
import { Page } from "../../ui/Page.tsx";
import { useSpan } from "../../ui/span.ts";
import { Loaded } from "../../ui/states.tsx";
import { useNow } from "../../ui/Time.tsx";
import { ago, exact } from "../../ui/times.ts";
import { Changes } from "./Changes.tsx";
import { Functions } from "./Functions.tsx";
import { Health } from "./Health.tsx";
import { Numbers } from "./Numbers.tsx";
import { Running } from "./Running.tsx";
import { Switches } from "./Switches.tsx";
import { Traffic } from "./Traffic.tsx";
import { Waiting } from "./Waiting.tsx";
import { switchedOff, withSwitches } from "./switched.ts";
import { FirstSteps } from "./FirstSteps.tsx";
import { Incidents } from "./Incidents.tsx";
import { KillSwitches } from "./KillSwitches.tsx";
import classes from "./overview.module.css";

export default function Overview() {
  const [minutes, setMinutes] = useParameter("minutes", "60");
  const [, setZoom] = useSpan();
  const overview = useRpc("overview", { p_minutes: Number(minutes) }, { every: 3_000 });
  const { data: environment } = useEnvironment();
  const now = useNow();
  const off = switchedOff(environment);
  const { dataUpdatedAt } = overview;
  const silentSince = overview.isError || now - dataUpdatedAt > SILENT_MS ? dataUpdatedAt : undefined;
  return (
    <Page
      title="Overview"
      actions={
        <Group gap="md">
          <Age at={dataUpdatedAt} isOld={silentSince !== undefined} now={now} />
          <SegmentedControl
            size="xs"
            aria-label="Period"
            value={minutes}
            onChange={(minutes) => (setZoom(undefined), setMinutes(minutes))}
            data={[{ value: "15", label: "15 min" }, { value: "60", label: "1 h" }, {
              value: "360",
              label: "6 h",
            }, { value: "1440", label: "1 d" }]}
          />
        </Group>
      }
    >
      <Loaded of={overview} rows={8} saysStale>
        {(data) => {
          const parts = withSwitches(healthInWords(data.health), off);
          return (
            // In the order in which somebody who was woken reads: what is wrong, why, how to stop it, then the figures.
            <Stack gap="md">
              <Health
                parts={parts}
                troubles={troublesInWords(data.health, parts)}
                silentSince={silentSince}
                now={now}
              />
              <Incidents incidents={data.incidents} />
              <KillSwitches off={off} />
              <FirstSteps />
              <Waiting />
              <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
                <Switches />
                <Traffic of={data} />
              </SimpleGrid>
              <Numbers data={data} />
              <Functions functions={data.functions} />
              <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
                <Running rollouts={data.rollouts} />
                <Changes changes={data.changes} />
              </SimpleGrid>
              {environment && (
                <Text size="xs" c="dimmed">
                  Version {environment.version}, environment {environment.environment}
                </Text>
              )}
            </Stack>
          );
        }}
      </Loaded>
    </Page>
  );
}

/** The overview is polled every three seconds; after this long without an answer nothing on it is known to be true. */
const SILENT_MS = 10_000;

function Age({ at, isOld, now }: { at: number; isOld: boolean; now: number }) {
  if (at === 0) return null;
  return (
    <Group gap={6} title={exact(new Date(at))}>
      <span className={classes.dot} data-state={isOld ? "degraded" : "healthy"} />
      <Text size="sm" c="dimmed">{isOld ? `as of ${ago(new Date(at), now)}` : "live"}</Text>
    </Group>
  );
}
