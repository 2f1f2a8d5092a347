/** What became of a campaign: figures, opens and clicks in full, by hour, link and mail program. */
import { Box, Loader, Table, Text } from "@mantine/core";
import { lazy, Suspense } from "react";
import type { Result } from "../../../../supabase/functions/_shared/contract/sql.ts";
import {
  accessesOf,
  figuresOf,
  percent,
} from "../../../../supabase/functions/_shared/contract/words/campaigns.ts";
import { Section } from "../../ui/Section.tsx";
import classes from "./campaigns.module.css";

const Chart = lazy(() => import("../../ui/Chart.tsx"));

type Story = Result<"read_campaign">;

const HOUR = 3600;

export function Figures({ story }: { story: Story }) {
  if ((story.counts.queued ?? 0) === 0) return null;
  return (
    <>
      <Section
        title="Figures"
        about="Each recipient once. Opens and clicks are those of people, not of machines."
      >
        <dl className={classes.figures}>
          {figuresOf(story).map(({ what, label, n, share, of }) => (
            <div key={what}>
              <dt>{label}</dt>
              <dd>
                <Text fw={650} size="lg" component="span">{n.toLocaleString()}</Text>
                {share !== undefined && share !== null && (
                  <Text size="sm" c="dimmed">{percent(share)} of {of}</Text>
                )}
              </dd>
            </div>
          ))}
          {story.rates.clicked_of_opened !== null && (
            <div>
              <dt>Click to open</dt>
              <dd>
                <Text fw={650} size="lg" component="span">{percent(story.rates.clicked_of_opened)}</Text>
                <Text size="sm" c="dimmed">of those who opened</Text>
              </dd>
            </div>
          )}
        </dl>
      </Section>
      <Accesses story={story} />
      <Hours story={story} />
      <Links story={story} />
      <Clients story={story} />
    </>
  );
}

function Accesses({ story }: { story: Story }) {
  const rows = (["open", "click"] as const).map((kind) => ({ kind, ...accessesOf(story, kind) }))
    .filter(({ total }) => total > 0);
  if (rows.length === 0) return null;
  return (
    <Section title="Opens and clicks" about="Machines are scanners and programs that load mails ahead.">
      <Rows
        heading={["", "Recipients", "of them people", "In all", "by people", "by machines", "unsure"]}
        rows={rows.map((one) => [
          one.kind === "open" ? "Opens" : "Clicks",
          one.unique,
          one.uniqueHuman,
          one.total,
          one.human,
          one.machine,
          one.unsure,
        ])}
      />
    </Section>
  );
}

function Hours({ story }: { story: Story }) {
  const times = story.hours.map(({ hour }) => Date.parse(hour) / 1000);
  // A line needs two points.
  if (times.length < 2) return null;
  const from = times[0], until = times.at(-1)!;
  // Hours in which nothing happened are hours too; of a long time only those with something are drawn.
  const all = (until - from) / HOUR < 400
    ? Array.from({ length: (until - from) / HOUR + 1 }, (_, i) => from + i * HOUR)
    : times;
  const counts = new Map(story.hours.map(({ hour, counts }) => [Date.parse(hour) / 1000, counts]));
  const series = ([
    ["Delivered", "delivered", "teal"],
    ["Opened", "opened_human", "blue"],
    ["Clicked", "clicked_human", "orange"],
    ["Bounced", "bounced", "red"],
  ] as const).map(([label, what, colour]) => ({
    label,
    colour,
    values: all.map((at) => counts.get(at)?.[what] ?? 0),
  })).filter(({ values }) => values.some((n) => n > 0));
  if (series.length === 0) return null;
  return (
    <Section title="By hour">
      <Suspense
        fallback={
          <Box h={200}>
            <Loader size="sm" aria-label="Loading the chart" />
          </Box>
        }
      >
        <Chart label="What happened by hour" times={all} step={HOUR} series={series} height={200} />
      </Suspense>
    </Section>
  );
}

function Links({ story }: { story: Story }) {
  if (story.links.length === 0) return null;
  return (
    <Section title="By link">
      <Rows
        heading={["Link", "Clicks", "by people"]}
        rows={story.links.map(({ link, clicks, human }) => [link, clicks, human])}
      />
    </Section>
  );
}

function Clients({ story }: { story: Story }) {
  if (story.clients.length === 0) return null;
  return (
    <Section title="By mail program">
      <Rows
        heading={["Program", "Opens and clicks", "by people"]}
        rows={story.clients.map(({ client, events, human }) => [client, events, human])}
      />
    </Section>
  );
}

/** A table with a text in its first column and numbers in the others. */
function Rows({ heading, rows }: { heading: string[]; rows: (string | number)[][] }) {
  return (
    <div
      className={classes.wide}
      tabIndex={0}
      role="region"
      aria-label={rows.map(([first]) => first).join(", ")}
    >
      <Table verticalSpacing={4}>
        <Table.Thead>
          <Table.Tr>
            {heading.map((text, i) => <Table.Th key={text} ta={i === 0 ? "left" : "right"}>{text}</Table.Th>)}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {rows.map((row) => (
            <Table.Tr key={row[0]}>
              {row.map((cell, i) => (
                <Table.Td
                  key={heading[i]}
                  ta={i === 0 ? "left" : "right"}
                  className={i === 0 ? classes.first : undefined}
                >
                  {typeof cell === "number" ? cell.toLocaleString() : cell}
                </Table.Td>
              ))}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </div>
  );
}
