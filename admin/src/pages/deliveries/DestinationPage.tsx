/** The delivery log of one destination: how it did, what fails and how often, and each attempt. */
import {
  Anchor,
  Button,
  Group,
  Paper,
  SegmentedControl,
  Skeleton,
  Stack,
  Text,
  TextInput,
  UnstyledButton,
} from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { useInfiniteQuery, type UseQueryResult } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import { Link } from "wouter";
import type { LoggedAttempt } from "../../../../supabase/functions/_shared/contract/answers/deliveries.ts";
import type { DeliveryLogFilter } from "../../../../supabase/functions/_shared/contract/arguments.ts";
import type { Result } from "../../../../supabase/functions/_shared/contract/sql.ts";
import { typeInWords } from "../../../../supabase/functions/_shared/contract/words/messages.ts";
import { LIVE_MS, rpc, useRpc } from "../../data/query.ts";
import { For } from "../../session/me.tsx";
import type { Refusal } from "../../data/refusal.ts";
import { Contact } from "../../ui/Contact.tsx";
import { Icon } from "../../ui/icons.tsx";
import { navigate, useParameter } from "../../ui/location.ts";
import { Page } from "../../ui/Page.tsx";
import { Section } from "../../ui/Section.tsx";
import { State, type Tone } from "../../ui/State.tsx";
import { Empty, Failed, Loaded, Loading } from "../../ui/states.tsx";
import { InZone, Time } from "../../ui/Time.tsx";
import { HistoryOf } from "../audit/HistoryOf.tsx";
import { StoryDrawer } from "../messages/StoryDrawer.tsx";
import { Answer } from "./Answer.tsx";
import { ChangeDestination } from "./ChangeDestination.tsx";
import { RemoveDestination } from "./RemoveDestination.tsx";

const Chart = lazy(() => import("../../ui/Chart.tsx"));

const SIZE = 50;

export function DestinationPage({ name }: { name: string }) {
  const [message, setMessage] = useParameter("message");
  const [error, setError] = useParameter("error");
  const [hours, setHours] = useParameter("hours", "24");
  const figures = useRpc("destination_figures", { p_destination: name, p_hours: Number(hours) });
  const isUnknown = figures.error?.code === "GL404";
  const [health] = useRpc("destination_health", { p_filter: { name }, p_limit: 1 }).data ?? [];
  return (
    <Page
      title={`Deliveries to ${name}`}
      about="Every attempt, those of the newest messages first."
      actions={health && (
        <For role="operator">
          <ChangeDestination of={health} />
          <RemoveDestination of={health} removed={() => navigate("/deliveries")} />
        </For>
      )}
      back={
        <Anchor component={Link} href={`/deliveries?destination=${name}`} size="sm">
          ← All destinations
        </Anchor>
      }
    >
      {isUnknown ? <Empty icon="truck" title="Destination not found">It may have been removed.</Empty> : (
        <>
          <Figures name={name} of={figures} hours={hours} setHours={setHours} choose={setError} />
          <Log key={error} name={name} error={error} setError={setError} open={setMessage} />
        </>
      )}
      <HistoryOf kinds={["destination", "delivery"]} id={name} />
      <StoryDrawer id={message} close={() => setMessage("")} />
    </Page>
  );
}

interface FiguresProps {
  name: string;
  of: UseQueryResult<Result<"destination_figures">, Refusal>;
  hours: string;
  setHours: (hours: string) => void;
  choose: (error: string) => void;
}

function Figures({ name, of: figures, hours, setHours, choose }: FiguresProps) {
  return (
    <>
      <Section
        title="Attempts"
        actions={
          <SegmentedControl
            size="xs"
            aria-label="Period"
            value={hours}
            onChange={setHours}
            data={[{ value: "1", label: "1 h" }, { value: "6", label: "6 h" }, {
              value: "24",
              label: "24 h",
            }]}
          />
        }
      >
        <Loaded of={figures} rows={4}>
          {({ points }) => (
            <Suspense fallback={<Skeleton height={230} />}>
              <Chart
                label={`Attempts to deliver to ${name}`}
                times={points.map(({ at }) => Date.parse(at) / 1000)}
                series={[
                  {
                    label: "delivered",
                    colour: "teal",
                    area: true,
                    values: points.map((one) => one.delivered),
                  },
                  { label: "failed", colour: "red", values: points.map((one) => one.failed) },
                ]}
                least={5}
              />
            </Suspense>
          )}
        </Loaded>
      </Section>
      <Section title="Errors" flush>
        <Loaded of={figures} rows={2}>
          {({ errors }) =>
            errors.length === 0
              ? <Text size="sm" c="dimmed" p="md">Nothing failed in this period.</Text>
              : (
                <Stack gap={0} component="ul" p={0} m={0} style={{ listStyle: "none" }}>
                  {errors.map(({ error, status, n, last_at }) => (
                    <Group
                      key={`${error} ${status}`}
                      component="li"
                      justify="space-between"
                      px="md"
                      py={8}
                      gap="xs"
                    >
                      <Anchor
                        component="button"
                        type="button"
                        size="sm"
                        underline="always"
                        onClick={() => choose(status === null ? error ?? "" : String(status))}
                      >
                        {[error ?? "no error recorded", status].filter((part) => part !== null).join(" ")}
                      </Anchor>
                      <Text size="sm" component="div">
                        {n.toLocaleString()} {n === 1 ? "attempt" : "attempts"}, last <Time at={last_at} />
                      </Text>
                    </Group>
                  ))}
                </Stack>
              )}
        </Loaded>
      </Section>
    </>
  );
}

interface LogProps {
  name: string;
  error: string;
  setError: (error: string) => void;
  open: (message: string) => void;
}

function Log({ name, error, setError, open }: LogProps) {
  const [outcome, setOutcome] = useParameter("outcome", "all");
  const [typed, setTyped] = useState(error);
  const search = useDebouncedCallback((text: string) => setError(text.trim()), 500);
  const filter: DeliveryLogFilter = {
    ...(outcome === "failed" ? { outcome } : {}),
    ...(error ? { error } : {}),
  };
  return (
    <Section title="Log">
      <Stack gap="sm">
        <Group gap="sm">
          <SegmentedControl
            aria-label="Outcome"
            value={outcome}
            onChange={setOutcome}
            data={[{ value: "all", label: "All" }, { value: "failed", label: "Failed" }]}
          />
          <TextInput
            type="search"
            aria-label="Search errors"
            placeholder="Error or status"
            leftSection={<Icon name="search" size={16} />}
            value={typed}
            onChange={({ currentTarget: { value } }) => (setTyped(value), search(value))}
          />
        </Group>
        <Attempts key={JSON.stringify(filter)} name={name} filter={filter} open={open} />
      </Stack>
    </Section>
  );
}

type LogPage = Result<"delivery_log">;

function Attempts({ name, filter, open }: {
  name: string;
  filter: DeliveryLogFilter;
  open: (message: string) => void;
}) {
  const pages = useInfiniteQuery<LogPage, Refusal>({
    queryKey: ["delivery_log", name, filter],
    initialPageParam: null,
    queryFn: ({ pageParam }) => {
      const after = pageParam as LogPage["next"];
      return rpc("delivery_log", {
        p_destination: name,
        p_filter: after ? { ...filter, before_at: after.at, before_id: after.id } : filter,
        p_limit: SIZE,
      });
    },
    getNextPageParam: ({ next }) => next,
    refetchInterval: LIVE_MS,
  });
  if (pages.data === undefined) {
    return pages.error
      ? <Failed error={pages.error} retry={() => void pages.refetch()} />
      : <Loading rows={5} />;
  }
  const attempts = pages.data.pages.flatMap(({ attempts }) => attempts);
  return (
    <Stack gap="xs">
      {attempts.length === 0 && (
        pages.hasNextPage
          // A page reads a bounded number of deliveries, all of which may be filtered out.
          ? <Text size="sm" c="dimmed">Nothing among the newest deliveries. Older ones may match.</Text>
          : Object.keys(filter).length > 0
          ? <Empty icon="search" title="No matching attempts">Remove a filter to see more.</Empty>
          : <Empty icon="truck" title="No attempts yet">They appear here once a route leads to it.</Empty>
      )}
      <Stack gap={6} component="ul" p={0} m={0} style={{ listStyle: "none" }} aria-label="Attempts">
        {attempts.map((one) => <Attempt key={`${one.delivery_id} ${one.attempt}`} of={one} open={open} />)}
      </Stack>
      {pages.hasNextPage && (
        <Button
          variant="default"
          loading={pages.isFetchingNextPage}
          onClick={() => void pages.fetchNextPage()}
        >
          Show older
        </Button>
      )}
    </Stack>
  );
}

const OUTCOMES: Record<LoggedAttempt["outcome"], [tone: Tone, word: string]> = {
  delivered: ["good", "delivered"],
  retry: ["warn", "failed"],
  dead: ["bad", "given up"],
};

function Attempt({ of, open }: { of: LoggedAttempt; open: (message: string) => void }) {
  const [tone, word] = OUTCOMES[of.outcome];
  const { message_id } = of;
  return (
    <Paper component="li" withBorder p="xs">
      <Group justify="space-between" gap="xs" wrap="nowrap" align="flex-start">
        <div style={{ minWidth: 0 }}>
          <Group gap="xs">
            <State tone={tone} size="sm">{word}</State>
            <Text size="sm">{typeInWords(of.type)}</Text>
            {(of.last_four ?? message_id) !== null && <Contact id={of.last_four ?? "????"} />}
            <Text size="xs" c="dimmed" component="div">
              <Time at={of.at} />, {of.status === null ? "no answer" : `status ${of.status}`}
              {of.latency_ms !== null && `, ${of.latency_ms} ms`}
              {of.attempt > 1 && `, attempt ${of.attempt}`}
            </Text>
          </Group>
          {of.error && (
            <Text size="sm" style={{ overflowWrap: "anywhere" }}>
              <InZone text={of.error} />
            </Text>
          )}
          <Answer of={of} />
        </div>
        {message_id !== null && (
          <UnstyledButton
            c="var(--mantine-color-anchor)"
            fz="sm"
            aria-label={`Message of the attempt: ${typeInWords(of.type)}, ${word}`}
            onClick={() => open(message_id)}
          >
            Message
          </UnstyledButton>
        )}
      </Group>
    </Paper>
  );
}
