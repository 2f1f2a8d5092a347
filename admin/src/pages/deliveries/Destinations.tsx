/** The destinations with their state, queue, success rate and latency, and an operator's actions. */
import { Anchor, Button, Card, Group, Radio, Select, SimpleGrid, Stack, Text } from "@mantine/core";
import type { DestinationState } from "../../../../supabase/functions/_shared/contract/states.ts";
import { SCHEDULE } from "../../../../supabase/functions/_shared/contract/retries.ts";
import { scheduleInWords } from "../../../../supabase/functions/_shared/contract/words/retries.ts";
import { DESTINATION_STATE_WORDS } from "../../../../supabase/functions/_shared/contract/words/destinations.ts";
import { type ReactNode, useRef, useState } from "react";
import { Link } from "wouter";
import { type LivePagesOptions, mapItems, useLivePages } from "../../data/pages.ts";
import { rpc, useChange, useRpc } from "../../data/query.ts";
import { useNames } from "../../session/team.ts";
import { For, useMe } from "../../session/me.tsx";
import { useAsk } from "../../ui/ask.tsx";
import { Example } from "../../ui/Example.tsx";
import { Icon } from "../../ui/icons.tsx";
import { State } from "../../ui/State.tsx";
import { ListTools } from "../../session/ListTools.tsx";
import { useParameter } from "../../ui/location.ts";
import { SearchField } from "../../ui/SearchField.tsx";
import { Empty, LoadedPages } from "../../ui/states.tsx";
import { VirtualList } from "../../ui/VirtualList.tsx";
import { InZone, Time } from "../../ui/Time.tsx";
import { inZone } from "../../ui/times.ts";
import { Answer } from "./Answer.tsx";
import { ChangeDestination } from "./ChangeDestination.tsx";
import { RemoveDestination } from "./RemoveDestination.tsx";
import { Resend } from "./Resend.tsx";
import { SecretModal } from "./SecretModal.tsx";
import { TestDestination } from "./TestDestination.tsx";
import type {
  DestinationHealth,
  LoggedAttempt,
} from "../../../../supabase/functions/_shared/contract/answers/deliveries.ts";

/** Destinations of a page. */
const PAGE = 50;

/** @param named Shown first: what a link from elsewhere is about. */
export function Destinations({ named }: { named: string }) {
  const [search, setSearch] = useParameter("q");
  const [state, setState] = useParameter("state", "all");
  const filter = { ...(search && { search }), ...(state !== "all" && { state }) };
  const source: LivePagesOptions<DestinationHealth> = {
    key: ["destination_health", filter],
    read: (last) =>
      rpc("destination_health", {
        p_filter: { ...filter, ...(last && { after: last.name }) },
        p_limit: PAGE,
      }),
    size: PAGE,
    every: 5_000,
  };
  const pages = useLivePages(source);
  const [first] = useRpc("destination_health", { p_filter: { name: named }, p_limit: 1 }, {
    every: 5_000,
    enabled: named !== "",
  }).data ?? [];
  const isFiltered = search !== "" || state !== "all";
  return (
    <Stack>
      {(isFiltered || pages.hasMore || (pages.items?.length ?? 0) > 4) && (
        <ListTools name="destinations" source={source}>
          <SearchField label="Search destinations" value={search} onChange={setSearch} />
          <Select
            aria-label="State"
            data={STATES}
            allowDeselect={false}
            value={state}
            onChange={(next) =>
              setState(next ?? "all")}
            w={160}
          />
        </ListTools>
      )}
      <LoadedPages
        of={pages}
        empty={isFiltered
          ? <Empty icon="search" title="No matching destinations" />
          : (
            <Empty icon="truck" title="No destinations yet">
              Add a destination with the URL that messages are posted to. Then create a route to it.
              <Example command="gatelink destinations add orders https://hooks.example.com/whatsapp" />
            </Empty>
          )}
      >
        {(items) => (
          <VirtualList
            items={pairs(first ? [first, ...items.filter(({ id }) => id !== first.id)] : items)}
            idOf={([{ id }]) => id}
            height={300}
            gap={16}
            hasMore={pages.hasMore}
            reading={pages.reading}
            more={pages.more}
          >
            {(row) => (
              <SimpleGrid cols={{ base: 1, md: 2 }}>
                {row.map((destination) => <DestinationCard key={destination.id} of={destination} />)}
              </SimpleGrid>
            )}
          </VirtualList>
        )}
      </LoadedPages>
    </Stack>
  );
}

const STATES = [
  { value: "all", label: "All states" },
  ...Object.entries(DESTINATION_STATE_WORDS).map(([value, [label]]) => ({ value, label })),
];

/** Two by two, as they stand beside each other. */
const pairs = <T,>(items: readonly T[]): T[][] =>
  items.flatMap((item, index) => index % 2 === 0 ? [[item, ...items.slice(index + 1, index + 2)]] : []);

function DestinationCard({ of }: { of: DestinationHealth }) {
  const [word, tone] = DESTINATION_STATE_WORDS[of.state];
  const name = useNames();
  return (
    <Card withBorder component="section" aria-label={of.name}>
      <Stack gap="sm" h="100%">
        <Group justify="space-between" wrap="nowrap" align="flex-start">
          <div style={{ minWidth: 0 }}>
            <Text fw={650} component="h2">{of.name}</Text>
            <Text size="xs" c="dimmed" style={{ overflowWrap: "anywhere" }}>{of.url}</Text>
          </div>
          <State tone={tone}>{word}</State>
        </Group>
        {of.state === "circuit_open" && of.circuit_open_until && (
          <Text size="sm" component="div">
            It failed ten times in a row, so its queue is waiting. Next attempt:{" "}
            <Time at={of.circuit_open_until} />. Resume it once it is fixed.
          </Text>
        )}
        {of.state === "paused" && (
          <Text size="sm" component="div">
            Paused <Time at={of.updated_at} /> {of.paused_because
              ? `because it answered: ${inZone(of.paused_because)}`
              : `by ${name(of.updated_by)}`}. Its queue is waiting.
          </Text>
        )}
        <SimpleGrid cols={{ base: 2, xs: 4 }} spacing="xs">
          <Figure
            name="Success"
            value={of.attempts === 0 ? "–" : percent(of.delivered / of.attempts)}
            bad={of.attempts > 0 && of.delivered / of.attempts < 0.95}
          >
            <Anchor component={Link} inherit underline="always" href={`/deliveries/at/${of.name}`}>
              {of.attempts} {of.attempts === 1 ? "attempt" : "attempts"}
            </Anchor>
          </Figure>
          <Figure name="Latency" value={of.p50_ms === null ? "–" : `${of.p50_ms} ms`}>
            {of.p95_ms === null ? "median" : `p95 ${of.p95_ms} ms`}
          </Figure>
          <Figure name="Queue" value={of.open}>
            {of.oldest_at
              ? (
                <>
                  since <Time at={of.oldest_at} />
                </>
              )
              : "empty"}
          </Figure>
          <Figure name="Dead letters" value={of.dead} bad={of.dead > 0}>
            {of.dead > 0
              ? <Anchor inherit href={`#/deliveries?tab=dead&destination=${of.name}`}>View</Anchor>
              : "none"}
          </Figure>
        </SimpleGrid>
        {of.last_failure && <LastFailure of={of.last_failure} name={of.name} />}
        <Text size="xs" c="dimmed" component="div">
          Failed deliveries are retried: {scheduleInWords(of.retry_seconds ?? SCHEDULE)}.{" "}
          {of.routes.length === 0 ? "Not used by any route. " : `Routes: ${of.routes.join(", ")}. `}
          {of.events.join() !== "message.received" && `Events: ${of.events.join(", ")}. `}
          {of.format === "meta" && "Gets Meta's own webhooks. "}
          {of.when_taken === "mark" && "Also gets messages of conversations that a person has. "}
          <Secrets of={of} />
          {of.headers.length > 0 && ` Custom headers: ${of.headers.map((one) => one.name).join(", ")}.`}
        </Text>
        <For role="operator">
          <Actions of={of} />
        </For>
      </Stack>
    </Card>
  );
}

function LastFailure({ of, name }: { of: LoggedAttempt; name: string }) {
  return (
    <div>
      <Text size="sm" component="div" style={{ overflowWrap: "anywhere" }}>
        <strong>Last error</strong>, <Time at={of.at} />: <InZone text={of.error ?? "no error recorded"} />
      </Text>
      <Answer of={of} />
      <Anchor component={Link} size="sm" underline="always" href={`/deliveries/at/${name}?outcome=failed`}>
        All failed attempts
      </Anchor>
    </div>
  );
}

const percent = (share: number) => `${(Math.floor(share * 1000) / 10).toFixed(share === 1 ? 0 : 1)} %`;

function Figure(
  { name, value, bad, children }: { name: string; value: ReactNode; bad?: boolean; children: ReactNode },
) {
  return (
    <div>
      <Text size="xs" c="dimmed">{name}</Text>
      <Text fw={650} size="lg" c={bad ? "red" : undefined}>{value}</Text>
      <Text size="xs" c="dimmed" component="div">{children}</Text>
    </div>
  );
}

function Secrets({ of }: { of: DestinationHealth }) {
  const [newest, ...old] = of.secrets ?? [];
  if (!newest) return "No secret. Rotate it to create one.";
  const until = old.find(({ expires_at }) => expires_at)?.expires_at;
  return (
    <>
      Secret created <Time at={newest.created_at} />
      {until && (
        <>
          ; the previous one is also used until <Time at={until} />
        </>
      )}.
    </>
  );
}

function Actions({ of }: { of: DestinationHealth }) {
  const ask = useAsk();
  const me = useMe();
  const [secret, setSecret] = useState<string>();
  const setState = useChange({
    act: (state: DestinationState) => rpc("set_destination_state", { p_name: of.name, p_state: state }),
    touches: ["destination_health", "destinations", "list_waiting", "delivery_log", "status"],
    foresee: (state) => [{
      key: ["destination_health"],
      data: (before) =>
        mapItems<DestinationHealth>(before, (one) =>
          one.id === of.id
            ? {
              ...one,
              state,
              circuit_open_until: null,
              updated_at: new Date().toISOString(),
              updated_by: me.id,
            }
            : one),
    }],
    said: (_, state) =>
      state === "paused" ? `${of.name} is paused. Its queue is waiting.` : `${of.name} was resumed.`,
    undo: (_, state) =>
      state === "active" ? undefined : async () => {
        await rpc("set_destination_state", { p_name: of.name, p_state: "active" });
        return `Undone: ${of.name} receives messages again.`;
      },
  });
  // What waits for its time is due at once, as when a destination is resumed.
  const tryNow = useChange({
    act: () => rpc("set_destination_state", { p_name: of.name, p_state: "active" }),
    touches: ["destination_health", "destinations", "list_waiting", "delivery_log", "status"],
    said: () => `Retrying ${of.open} ${of.open === 1 ? "delivery" : "deliveries"} to ${of.name}.`,
  });
  const rotate = useChange({
    act: (hours: number) => rpc("rotate_destination_secret", { p_name: of.name, p_overlap_hours: hours }),
    touches: ["destination_health"],
  });
  const hours = useRef(OVERLAP_HOURS);
  return (
    <Group gap="xs" mt="auto">
      {of.state !== "paused" && (
        <Button
          size="xs"
          variant="default"
          leftSection={<Icon name="pause" size={16} />}
          aria-label={`Pause ${of.name}`}
          onClick={async () => {
            const answer = await ask({
              title: `Pause ${of.name}?`,
              body:
                "Nothing is sent to it until it is resumed. Messages wait in order. Routes that use the first available destination switch to the next one.",
              action: "Pause",
              reason: "none",
            });
            if (answer) setState.mutate("paused");
          }}
        >
          Pause
        </Button>
      )}
      {of.state === "active" && of.open > 0 && (
        <Button
          size="xs"
          leftSection={<Icon name="retry" size={16} />}
          aria-label={`Try now: deliveries to ${of.name}`}
          loading={tryNow.isPending}
          onClick={() => tryNow.mutate(undefined)}
        >
          Try now
        </Button>
      )}
      {of.state !== "active" && (
        <Button
          size="xs"
          leftSection={<Icon name="play" size={16} />}
          aria-label={`Resume ${of.name}`}
          onClick={() => setState.mutate("active")}
        >
          Resume
        </Button>
      )}
      <TestDestination name={of.name} />
      <Resend name={of.name} />
      <ChangeDestination of={of} />
      <RemoveDestination of={of} />
      <Button
        size="xs"
        variant="default"
        leftSection={<Icon name="key" size={16} />}
        aria-label={`Rotate secret of ${of.name}`}
        loading={rotate.isPending}
        onClick={async () => {
          hours.current = OVERLAP_HOURS;
          const answer = await ask({
            title: `Rotate the secret of ${of.name}?`,
            body: <Overlap choose={(chosen) => hours.current = chosen} />,
            action: "Rotate",
            reason: "none",
          });
          if (!answer) return;
          setSecret((await rotate.mutateAsync(hours.current).catch(() => undefined))?.secret);
        }}
      >
        Rotate secret
      </Button>
      <SecretModal secret={secret} title={`New secret of ${of.name}`} close={() => setSecret(undefined)}>
        {rotate.variables === 0
          ? "Give it to the service now. Until then, the service rejects deliveries, because the previous secret is no longer used."
          : "Give it to the service within 24 hours. After that, the previous secret is no longer used."}
      </SecretModal>
    </Group>
  );
}

const OVERLAP_HOURS = 24;

/** How long the old secret also signs: a day by default, not at all after a leak. */
function Overlap({ choose }: { choose: (hours: number) => void }) {
  return (
    <Stack gap="sm">
      <Text size="sm">A new secret is created and shown once.</Text>
      <Radio.Group
        defaultValue={String(OVERLAP_HOURS)}
        onChange={(hours) => choose(Number(hours))}
        label="Stop using the previous secret"
      >
        <Stack gap="xs" mt="xs">
          <Radio
            value={String(OVERLAP_HOURS)}
            label="After 24 hours"
            description="Until then, deliveries are signed with both secrets, so that the service can switch over."
          />
          <Radio
            value="0"
            label="Immediately"
            description="After a leak. The service rejects deliveries until it has the new secret; they are retried."
          />
        </Stack>
      </Radio.Group>
    </Stack>
  );
}
