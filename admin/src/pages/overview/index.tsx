/** The overview: the state of the system in five seconds, and what to stop in ten. */
import { Group, SegmentedControl, SimpleGrid, Stack, Text } from "@mantine/core";
import { healthInWords } from "../../../../supabase/functions/_shared/contract/words/health.ts";
import { useRpc } from "../../data/query.ts";
import { useParameter } from "../../ui/location.ts";
import { Page } from "../../ui/Page.tsx";
import { Loaded } from "../../ui/states.tsx";
import { ago, exact, useNow } from "../../ui/Time.tsx";
import { Changes } from "./Changes.tsx";
import { Functions } from "./Functions.tsx";
import { Health } from "./Health.tsx";
import { Numbers } from "./Numbers.tsx";
import { Running } from "./Running.tsx";
import { Switches } from "./Switches.tsx";
import { Traffic } from "./Traffic.tsx";
import { Waiting } from "./Waiting.tsx";
import { switchedOff, useEnvironment, withSwitches } from "./environment.ts";
import { Incidents } from "./Incidents.tsx";
import { KillSwitches } from "./KillSwitches.tsx";
import classes from "./overview.module.css";

export default function Overview() {
  const [minutes, setMinutes] = useParameter("minutes", "60");
  const overview = useRpc("overview", { p_minutes: Number(minutes) }, { every: 3_000 });
  const { data: environment } = useEnvironment();
  const off = switchedOff(environment);
  return (
    <Page
      title="Overview"
      actions={
        <Group gap="md">
          <Age at={overview.dataUpdatedAt} failing={overview.isError} />
          <SegmentedControl
            size="xs"
            aria-label="Period"
            value={minutes}
            onChange={setMinutes}
            data={[{ value: "15", label: "15 min" }, { value: "60", label: "1 h" }, {
              value: "360",
              label: "6 h",
            }, { value: "1440", label: "1 d" }]}
          />
        </Group>
      }
    >
      <Loaded of={overview} rows={8}>
        {(data) => (
          <Stack gap="md" className={classes.body}>
            <Incidents incidents={data.incidents} />
            <KillSwitches off={off} />
            <Health health={withSwitches(healthInWords(data.health), off)} />
            <Numbers data={data} />
            <Waiting />
            <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md" className={classes.controls}>
              <Traffic of={data} />
              <div className={classes.brakes}>
                <Switches />
              </div>
            </SimpleGrid>
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
        )}
      </Loaded>
    </Page>
  );
}

function Age({ at, failing }: { at: number; failing: boolean }) {
  const now = useNow();
  if (at === 0) return null;
  const old = failing || now - at > 15_000;
  return (
    <Group gap={6} title={exact(new Date(at))}>
      <span className={classes.dot} data-state={old ? "degraded" : "healthy"} />
      <Text size="sm" c="dimmed">{old ? `as of ${ago(new Date(at), now)}` : "live"}</Text>
    </Group>
  );
}
