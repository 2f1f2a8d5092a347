/** Reports: what the clock wrote about rollouts and about everything, and how it is now. */
import { Accordion, Anchor, Box, Button, Code, Group, Stack, Text } from "@mantine/core";
import { Link, Route, Switch } from "wouter";
import type { Report } from "../../../../supabase/functions/_shared/contract/answers/reports.ts";
import {
  lookInWords,
  reportAdvice,
  reportInWords,
  reportTitle,
} from "../../../../supabase/functions/_shared/contract/words/reports.ts";
import { type LivePagesOptions, useLivePages } from "../../data/pages.ts";
import { rpc, useRpc } from "../../data/query.ts";
import { useParameter } from "../../ui/location.ts";
import { ListTools } from "../../session/ListTools.tsx";
import { NoSuchPage } from "../../ui/NoSuchPage.tsx";
import { FlagPicker } from "../../ui/FlagPicker.tsx";
import { Page } from "../../ui/Page.tsx";
import { Section } from "../../ui/Section.tsx";
import { Empty, Loaded, LoadedPages } from "../../ui/states.tsx";
import { State } from "../../ui/State.tsx";
import { Time } from "../../ui/Time.tsx";

export default function Reports() {
  return (
    <Switch>
      <Route path="/reports" component={ReportList} />
      <Route component={NoSuchPage} />
    </Switch>
  );
}

/** Reports of a page. */
const PAGE = 50;
/** Reports are written every two hours at most. */
const EVERY_MS = 60_000;

function ReportList() {
  const [flag, setFlag] = useParameter("flag");
  const source: LivePagesOptions<Report> = {
    key: ["list_reports", flag],
    read: (last) =>
      rpc("list_reports", { p_flag_key: flag || null, p_limit: PAGE, p_before: last?.id ?? null }),
    size: PAGE,
    every: EVERY_MS,
  };
  const reports = useLivePages(source);
  const now = useRpc("report_now", {}, { every: EVERY_MS });
  return (
    <Page
      title="Reports"
      about="Every two hours on the first day of a rollout or launch, daily in its first week, weekly about everything."
    >
      <Section title="The last seven days">
        <Loaded of={now}>{(report) => <Lines of={reportInWords(report)} />}</Loaded>
      </Section>
      <ListTools name="reports" source={source}>
        <Box w={{ base: "100%", xs: 420 }}>
          <FlagPicker label="Feature" placeholder="All" value={flag} onChange={setFlag} />
        </Box>
      </ListTools>
      <LoadedPages of={reports} empty={<Empty icon="chart" title="No report has been due yet" />}>
        {(all) => (
          <>
            <Accordion variant="contained" radius="md">
              {all.map((report) => <Item key={report.id} report={report} />)}
            </Accordion>
            {reports.hasMore && (
              <Button variant="default" loading={reports.reading} onClick={reports.more}>Show more</Button>
            )}
          </>
        )}
      </LoadedPages>
    </Page>
  );
}

function Item({ report }: { report: Report }) {
  const look = lookInWords(report.look);
  return (
    <Accordion.Item value={report.id}>
      <Accordion.Control>
        <Group justify="space-between" gap="xs">
          <div style={{ minWidth: 0 }}>
            <Text fw={600} style={{ overflowWrap: "anywhere" }}>{reportTitle(report)}</Text>
            <Text size="sm" component="div">
              Until <Time at={report.due_at} />
            </Text>
          </div>
          <State tone={look === "" ? "good" : "warn"}>{look === "" ? "well" : "look"}</State>
        </Group>
      </Accordion.Control>
      <Accordion.Panel>
        <Stack gap="xs">
          <Lines of={reportInWords(report)} />
          {look !== "" && (
            <Code block style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>
              {reportAdvice(report)}
            </Code>
          )}
          {report.rollout_id && (
            <Anchor component={Link} href={`/rollouts/${report.rollout_id}`} size="sm" underline="always">
              View rollout
            </Anchor>
          )}
        </Stack>
      </Accordion.Panel>
    </Accordion.Item>
  );
}

function Lines({ of }: { of: string[] }) {
  return (
    <Stack gap={4}>
      {of.map((line, n) => (
        <Text key={n} size="sm" fw={n === 0 ? 600 : undefined} style={{ overflowWrap: "anywhere" }}>
          {line}
        </Text>
      ))}
    </Stack>
  );
}
