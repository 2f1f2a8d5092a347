/**
 * Statistics of a link: clicks by day, platform, country and kind of visitor, and the conversations that it
 * started.
 */
import {
  Group,
  Paper,
  SegmentedControl,
  SimpleGrid,
  Stack,
  Text,
  Title,
  VisuallyHidden,
} from "@mantine/core";
import { callFunction } from "../../data/functions.ts";
import { useRead } from "../../data/query.ts";
import { useParameter } from "../../ui/location.ts";
import { Empty, Loaded } from "../../ui/states.tsx";
import type { LinkStats } from "../../../../supabase/functions/_shared/contract/links.ts";
import { countryName } from "./form/countries.ts";
import { PLATFORM_NAMES } from "./words.ts";
import classes from "./links.module.css";

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

export function Figures({ code }: { code: string }) {
  const [period, setPeriod] = useParameter("days", "30");
  const days = PERIODS.some(({ value }) => value === period) ? period : "30";
  const stats = useRead(
    ["link_stats", code, days],
    () => callFunction<LinkStats>(`deeplinks/${code}/stats?last=${days}`),
  );
  return (
    <Stack gap="sm">
      <Group justify="space-between">
        <Title order={2} size="h4">Statistics</Title>
        <SegmentedControl aria-label="Period" size="xs" data={PERIODS} value={period} onChange={setPeriod} />
      </Group>
      <Loaded of={stats}>{(stats) => <Shown of={stats} days={daysOf(stats)} />}</Loaded>
    </Stack>
  );
}

function Shown({ of, days }: { of: LinkStats; days: string[] }) {
  const { clicks, visitors, attributions } = of;
  const all = Object.values(clicks).reduce((sum, n) => sum + n, 0);
  if (all === 0 && attributions.total === 0) {
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
      <Days of={of} days={days} />
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

function Days({ of, days }: { of: LinkStats; days: string[] }) {
  const counted = new Map(of.days.map((day) => [day.day, day]));
  const most = Math.max(1, ...of.days.map(({ human }) => human));
  return (
    <Paper withBorder p="sm">
      <Text size="sm" fw={600} mb="xs">Clicks by people per day ({of.zone})</Text>
      <div className={classes.days} aria-hidden="true">
        {days.map((day) => {
          const n = counted.get(day)?.human ?? 0;
          return (
            <div key={day} className={classes.day} title={`${day}: ${n}`}>
              <div style={{ height: `${n / most * 100}%` }} data-some={n > 0 || undefined} />
            </div>
          );
        })}
      </div>
      <Group justify="space-between" aria-hidden="true">
        <Text size="xs" c="dimmed">{days[0]}</Text>
        <Text size="xs" c="dimmed">maximum: {most}</Text>
        <Text size="xs" c="dimmed">{days.at(-1)}</Text>
      </Group>
      <VisuallyHidden>
        <table>
          <caption>Clicks by people per day; days without clicks are omitted</caption>
          <tbody>
            {of.days.map(({ day, human }) => (
              <tr key={day}>
                <th scope="row">{day}</th>
                <td>{human}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </VisuallyHidden>
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
