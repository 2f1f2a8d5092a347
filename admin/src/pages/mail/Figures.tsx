/** Figures of e-mail: what went out, the answers and how they found their message, and what became of their forwards. */
import { Group, Paper, SegmentedControl, SimpleGrid, Stack, Table, Text } from "@mantine/core";
import type { ReactNode } from "react";
import type { EmailOverview } from "../../../../supabase/functions/_shared/contract/answers/mail.ts";
import { useRpc } from "../../data/query.ts";
import { useParameter } from "../../ui/location.ts";
import { Section } from "../../ui/Section.tsx";
import { Empty, Loaded } from "../../ui/states.tsx";
import { eventInWords, viaInWords } from "./words.ts";

const PERIODS = ["1", "7", "30", "90"].map((days) => ({
  value: days,
  label: days === "1" ? "1 day" : `${days} days`,
}));
/** The figures change with every mail, and are counted anew each time. */
const EVERY_MS = 30_000;

export function Figures() {
  const [period, setPeriod] = useParameter("days", "7");
  const days = PERIODS.some(({ value }) => value === period) ? period : "7";
  const overview = useRpc("email_overview", { p_days: Number(days) }, { every: EVERY_MS });
  return (
    <Stack>
      <Group justify="flex-end">
        <SegmentedControl aria-label="Period" size="xs" data={PERIODS} value={days} onChange={setPeriod} />
      </Group>
      <Loaded of={overview}>{(figures) => <Shown of={figures} />}</Loaded>
    </Stack>
  );
}

/** A share in percent with one decimal; a dash where there is nothing to take it of. */
const share = (part: number, whole: number) =>
  whole === 0 ? "–" : `${Math.round(part / whole * 1000) / 10} %`;

function Shown({ of: { days, replies, identities, campaigns, events, sent } }: { of: EmailOverview }) {
  const settled = replies.forwarded + replies.failed;
  const figures: [string, string | number, string][] = [
    ["Sent", sent.all, `${sent.failed} failed, ${sent.unknown} unknown, ${sent.waiting} waiting`],
    ["With reply token", share(sent.token, sent.all), `${sent.all - sent.token} by legacy address`],
    ["Replies", replies.all, `${replies.unverified} unverified, ${replies.other_sender} from others`],
    ["Forwarded", share(replies.forwarded, settled), `${replies.failed} failed, ${replies.waiting} waiting`],
    [
      "Threading",
      share(replies.token + replies.legacy + replies.references, replies.all),
      `${replies.none} found no message`,
    ],
  ];
  return (
    <Stack>
      <SimpleGrid cols={{ base: 2, sm: 3, md: 5 }}>
        {figures.map(([name, value, more]) => (
          <Paper key={name} withBorder p="sm">
            <Text size="xs" c="dimmed">{name}</Text>
            <Text fw={650} size="xl">{value}</Text>
            <Text size="xs" c="dimmed">{more}</Text>
          </Paper>
        ))}
      </SimpleGrid>
      {sent.all === 0 && replies.all === 0 && (
        <Empty icon="mail" title="No mail in this period">
          Add an identity, then send with the function email-send.
        </Empty>
      )}
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        <Section title="How replies found their message" flush>
          <Rows
            head={["Found by", "Replies", "Share"]}
            of={(["token", "legacy", "references", "none"] as const).map((via) => [
              viaInWords(via),
              replies[via],
              share(replies[via], replies.all),
            ])}
          />
        </Section>
        <Section title="What happened" about="Kinds of mail that came in, and what providers reported." flush>
          <Rows
            head={["Event", "Count"]}
            of={Object.entries(events).sort(([, a], [, b]) => b - a).map((
              [event, n],
            ) => [eventInWords(event), n])}
          />
        </Section>
        <Section title="By identity" flush>
          <Rows
            head={["Identity", "Replies", "Forwarded"]}
            of={identities.map(({ from_email, id, replies, forwarded, failed }) => [
              from_email ?? (id === null ? "No identity" : "A removed identity"),
              replies,
              share(forwarded, forwarded + failed),
            ])}
          />
        </Section>
        <Section title="By campaign" flush>
          <Rows
            head={["Campaign", "Replies", "Messages answered"]}
            of={campaigns.map(({ id, replies, people }) => [id, replies, people])}
          />
        </Section>
      </SimpleGrid>
      <Section title="By day" about="In UTC." flush>
        <Table.ScrollContainer minWidth={680} scrollAreaProps={{ viewportProps: { tabIndex: 0 } }}>
          <Rows
            head={["Day", "Tokens", "Replies", "Token", "Legacy", "Headers", "Forwarded", "Failed"]}
            of={[...days].reverse().map((
              { day, tokens, replies, token, legacy, references, forwarded, failed },
            ) => [
              <span key="day" style={{ whiteSpace: "nowrap" }}>{day}</span>,
              tokens,
              replies,
              token,
              legacy,
              references,
              forwarded,
              failed,
            ])}
          />
        </Table.ScrollContainer>
      </Section>
    </Stack>
  );
}

function Rows({ head, of }: { head: string[]; of: ReactNode[][] }) {
  if (of.length === 0) return <Text size="sm" c="dimmed" px="md" pb="md">None.</Text>;
  return (
    <Table horizontalSpacing="md">
      <Table.Thead>
        <Table.Tr>
          {head.map((name, n) => <Table.Th key={name} ta={n === 0 ? undefined : "end"}>{name}</Table.Th>)}
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {of.map((cells, row) => (
          <Table.Tr key={row}>
            {cells.map((cell, n) => (
              <Table.Td key={n} ta={n === 0 ? undefined : "end"} style={{ overflowWrap: "anywhere" }}>
                {cell}
              </Table.Td>
            ))}
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}
