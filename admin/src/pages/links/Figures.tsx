/**
 * Statistics of a link: clicks by day, platform, country and kind of visitor, and the conversations that it
 * started.
 */
import { Group, Paper, SegmentedControl, SimpleGrid, Skeleton, Stack, Text, Title } from "@mantine/core";
import { lazy, Suspense } from "react";
import { callFunction } from "../../data/functions.ts";
import { useRead } from "../../data/query.ts";
import { useParameter } from "../../ui/location.ts";
import { useSpan } from "../../ui/span.ts";
import { type Span, writeSpan } from "../../ui/span_text.ts";
import { Empty, Loaded } from "../../ui/states.tsx";
import type { LinkStats } from "../../../../supabase/functions/_shared/contract/links.ts";
import { countryName } from "./form/countries.ts";
import { PLATFORM_NAMES } from "./words.ts";
import classes from "./links.module.css";

const Explored = lazy(() => import("../charts/Explored.tsx"));

const PERIODS = [{ value: "7", label: "7 days" }, { value: "30", label: "30 days" }, {
  value: "90",
  label: "90 days",
}];
const VERDICTS = [["human", "People"], ["preview", "Previews"], ["bot", "Bots"], [
  "prefetch",
  "Prefetches",
], ["own", "Your team"]] as const;
const SOURCE_NAMES = { qr: "QR code", link: "Link" };
const RULE_NAMES = { default: "No rule", fallback: "Link not usable", preview: "Preview" };

const namesOf = (countries: Record<string, number>) =>
  Object.fromEntries(Object.keys(countries).map((code) => [code, countryName(code)]));

/** Every day of a range. */
function daysOf({ from, to }: LinkStats): string[] {
  const first = Date.parse(from), count = (Date.parse(to) - first) / 86_400_000 + 1;
  return Array.from(
    { length: count },
    (_, index) => new Date(first + index * 86_400_000).toISOString().slice(0, 10),
  );
}

const DAY = 86_400;
/** Days are drawn as those of UTC, whatever the team's zone. */
const dayOf = (second: number) => new Date(second * 1000).toISOString().slice(0, 10);
const secondOf = (day: string) => Date.parse(day) / 1000;
/** The days as they are in the reader's zone, which is hardly ever another than the team's. */
const inZoneOf = ({ from, to }: Span): Span => {
  const start = (second: number) => new Date(`${dayOf(second)}T00:00`).getTime() / 1000;
  return { from: start(from), to: start(to) };
};

export function Figures({ code }: { code: string }) {
  const [period, setPeriod] = useParameter("days", "30");
  const days = PERIODS.some(({ value }) => value === period) ? period : "30";
  const [zoom, setZoom] = useSpan();
  const asked = zoom ? `from=${dayOf(zoom.from)}&to=${dayOf(zoom.to - DAY)}` : `last=${days}`;
  const stats = useRead(
    ["link_stats", code, asked],
    () => callFunction<LinkStats>(`deeplinks/${code}/stats?${asked}`),
  );
  return (
    <Stack gap="sm">
      <Group justify="space-between">
        <Title order={2} size="h4">Statistics</Title>
        <SegmentedControl
          aria-label="Period"
          size="xs"
          data={PERIODS}
          value={period}
          onChange={(days) => (setZoom(undefined), setPeriod(days))}
        />
      </Group>
      <Loaded of={stats}>
        {(stats) => <Shown of={stats} days={daysOf(stats)} zoom={zoom} setZoom={setZoom} />}
      </Loaded>
    </Stack>
  );
}

interface ShownProps {
  of: LinkStats;
  days: string[];
  zoom: Span | undefined;
  setZoom: (span: Span | undefined) => void;
}

function Shown({ of, days, zoom, setZoom }: ShownProps) {
  const { clicks, visitors, attributions } = of;
  const all = Object.values(clicks).reduce((sum, n) => sum + n, 0);
  if (all === 0 && attributions.total === 0 && !zoom) {
    return (
      <Empty icon="link" title="No visits yet">
        Visits appear within seconds. People, link previews and bots are counted separately.
      </Empty>
    );
  }
  const conversion = clicks.human === 0
    ? "–"
    : `${Math.round(attributions.total / clicks.human * 1000) / 10} %`;
  const figures: [string, string | number, string][] = [
    ["Clicks", clicks.human, "by people"],
    ["Visitors", visitors, "unique per day"],
    ["Conversations", attributions.total, `${attributions.first_touch} with new contacts`],
    ["Conversion", conversion, "conversations per click"],
  ];
  return (
    <Stack>
      <SimpleGrid cols={{ base: 2, xs: 4 }}>
        {figures.map(([name, value, more]) => (
          <Paper key={name} withBorder p="sm">
            <Text size="xs" c="dimmed">{name}</Text>
            <Text fw={650} size="xl">{value}</Text>
            <Text size="xs" c="dimmed">{more}</Text>
          </Paper>
        ))}
      </SimpleGrid>
      <Days of={of} days={days} zoom={zoom} setZoom={setZoom} />
      <SimpleGrid cols={{ base: 1, sm: 2, md: 3 }}>
        <Shares
          title="Visitor type"
          of={Object.fromEntries(VERDICTS.map(([key, name]) => [name, clicks[key]]))}
        />
        <Shares title="Platform" of={of.platforms} names={PLATFORM_NAMES} />
        <Shares
          title="Country"
          of={of.countries}
          names={namesOf(of.countries)}
          none="Unknown: no proxy reports the country."
        />
        <Shares title="Referrers" of={of.referrers} none="No referrers." />
        <Shares title="Targets" of={of.targets} />
        {Object.keys(of.rules).some((rule) => rule in RULE_NAMES === false) && (
          <Shares title="Rules" of={of.rules} names={ruleNames(of.rules)} />
        )}
        {of.sources.qr !== undefined && <Shares title="Source" of={of.sources} names={SOURCE_NAMES} />}
        <Shares
          title="Confidence of the attribution"
          of={attributions.by_confidence}
          none="No conversations yet."
        />
      </SimpleGrid>
    </Stack>
  );
}

/** Rules by number, counted from 1 as in the link. */
function ruleNames(rules: Record<string, number>): Record<string, string> {
  return {
    ...Object.fromEntries(Object.keys(rules).map((rule) => [rule, `Rule ${Number(rule) + 1}`])),
    ...RULE_NAMES,
  };
}

function Days({ of, days, zoom, setZoom }: ShownProps) {
  const counted = new Map(of.days.map((day) => [day.day, day.human]));
  const values = days.map((day) => counted.get(day) ?? 0);
  const first = secondOf(days[0]);
  const before = useRead(
    ["link_stats", of.code, "before", days[0], days.length],
    () =>
      callFunction<LinkStats>(
        `deeplinks/${of.code}/stats?from=${dayOf(first - days.length * DAY)}&to=${dayOf(first - DAY)}`,
      ),
    { every: false },
  );
  return (
    <Paper withBorder p="sm">
      <Text size="sm" fw={600} mb="xs">Clicks by people per day ({of.zone})</Text>
      <Suspense fallback={<Skeleton height={230} />}>
        <Explored
          label="Clicks by people per day"
          times={days.map(secondOf)}
          step={DAY}
          series={[{ label: "clicks", colour: "teal", area: true, values }]}
          height={180}
          least={4}
          zoom={zoom}
          setZoom={setZoom}
          marked={{ kinds: ["link"], ref: of.code }}
          compared={[{
            name: "clicks",
            now: values,
            before: before.isPlaceholderData || !before.data ? undefined : [before.data.clicks.human],
          }]}
          list={{
            name: "Messages",
            href: (span) => `/messages?span=${writeSpan(inZoneOf(span))}&link=${of.code}`,
          }}
        />
      </Suspense>
    </Paper>
  );
}

function Shares(
  { title, of, names = {}, none = "None." }: {
    title: string;
    of: Record<string, number>;
    names?: Record<string, string>;
    none?: string;
  },
) {
  const entries = Object.entries(of).filter(([, n]) => n > 0).sort(([, a], [, b]) => b - a);
  const sum = entries.reduce((sum, [, n]) => sum + n, 0);
  return (
    <Paper withBorder p="sm">
      <Text size="sm" fw={600} mb="xs">{title}</Text>
      {entries.length === 0 && <Text size="sm" c="dimmed">{none}</Text>}
      {entries.slice(0, 8).map(([key, n]) => (
        <div key={key} className={classes.share}>
          <Group justify="space-between" wrap="nowrap" gap="xs">
            <Text size="sm" truncate>{names[key] ?? key}</Text>
            <Text size="sm" c="dimmed">{n}</Text>
          </Group>
          <div className={classes.bar} aria-hidden="true">
            <div style={{ width: `${n / sum * 100}%` }} />
          </div>
        </div>
      ))}
    </Paper>
  );
}
