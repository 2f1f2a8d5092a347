/** Waiting deliveries, the first of each conversation: retry, skip, or drop with a reason; one or several. */
import { Button, Checkbox, Group, Paper, Select, Stack, Text, UnstyledButton } from "@mantine/core";
import { typeInWords } from "../../../../supabase/functions/_shared/contract/words/messages.ts";
import { type LivePagesOptions, type Pages, useLivePages } from "../../data/pages.ts";
import { rpc, useChange } from "../../data/query.ts";
import { useMay } from "../../session/me.tsx";
import { ListTools } from "../../session/ListTools.tsx";
import { useParameter } from "../../ui/location.ts";
import { useAsk } from "../../ui/ask.tsx";
import { Contact } from "../../ui/Contact.tsx";
import { Icon } from "../../ui/icons.tsx";
import { Empty, LoadedPages } from "../../ui/states.tsx";
import { InZone, Time } from "../../ui/Time.tsx";
import { VirtualList } from "../../ui/VirtualList.tsx";
import { Matching } from "./Matching.tsx";
import { ChooseAll, DropButton, useChosen } from "./choosing.tsx";
import type { WaitingDelivery } from "../../../../supabase/functions/_shared/contract/answers/deliveries.ts";

/** Deliveries of a page. */
const PAGE = 100;
const TOUCHES = [
  "list_waiting",
  "list_dead_letters",
  "destination_health",
  "message_story",
  "conversation_messages",
  "status",
];
const counted = (n: number) => n === 1 ? "One delivery" : `${n} deliveries`;

export function Waiting({ names, open }: { names: string[]; open: (message: string) => void }) {
  const [destination, setDestination] = useParameter("destination");
  const filter = destination ? { destination } : {};
  const source: LivePagesOptions<WaitingDelivery> = {
    key: ["list_waiting", filter],
    read: (last) =>
      rpc("list_waiting", {
        p_filter: {
          ...filter,
          ...(last && {
            before_at: last.due_at,
            before_lane: last.lane,
            before_destination: last.destination,
          }),
        },
        p_limit: PAGE,
      }),
    size: PAGE,
    every: 5_000,
  };
  const waiting = useLivePages(source);
  return (
    <Stack>
      <ListTools name="waiting-deliveries" source={source}>
        <Select
          aria-label="Destination"
          placeholder="All destinations"
          clearable
          clearButtonProps={{ "aria-label": "All destinations" }}
          data={names}
          searchable
          limit={100}
          value={destination || null}
          onChange={(value) => setDestination(value ?? "")}
        />
      </ListTools>
      <LoadedPages
        of={waiting}
        empty={
          <Empty icon="check" title="No waiting deliveries">
            All deliveries were sent or became dead letters.
          </Empty>
        }
      >
        {(items) => <List key={destination} of={waiting} items={items} filter={filter} open={open} />}
      </LoadedPages>
    </Stack>
  );
}

/** Lets deliveries wait again that were skipped or dropped. */
async function revived(ids: string[]): Promise<string> {
  const n = await rpc("retry_deliveries", { p_ids: ids });
  return `Undone: ${counted(n)} ${n === 1 ? "is" : "are"} being delivered again.`;
}

function List({ of, items, filter, open }: {
  of: Pages<WaitingDelivery>;
  items: WaitingDelivery[];
  filter: { destination?: string };
  open: (message: string) => void;
}) {
  const may = useMay("operator");
  const ask = useAsk();
  const chosen = useChosen(items);
  const retry = useChange({
    act: (ids: string[]) => rpc("retry_deliveries", { p_ids: ids }),
    touches: TOUCHES,
    said: (n) => `${counted(n)} ${n === 1 ? "is" : "are"} being retried.`,
  });
  const skip = useChange({
    act: (ids: string[]) => rpc("skip_deliveries", { p_ids: ids }),
    touches: TOUCHES,
    said: (n) => `${counted(n)} ${n === 1 ? "was" : "were"} skipped. See Dead letters.`,
    undo: (n, ids) => n === 0 ? undefined : () => revived(ids),
  });
  const drop = useChange({
    act: ({ ids, reason }: { ids: string[]; reason: string }) =>
      rpc("drop_deliveries", { p_ids: ids, p_reason: reason }),
    touches: TOUCHES,
    said: (n) => `${counted(n)} ${n === 1 ? "was" : "were"} dropped.`,
    undo: (n, { ids }) => n === 0 ? undefined : () => revived(ids),
  });
  const { ids } = chosen;
  const done = { onSuccess: () => chosen.forget(ids) };
  return (
    <Stack gap="xs">
      {may && (
        <Group gap="sm">
          <ChooseAll chosen={ids.length} shown={items.length} chooseAll={chosen.chooseAll} />
          <Button
            size="xs"
            leftSection={<Icon name="retry" size={16} />}
            disabled={ids.length === 0}
            onClick={() => retry.mutate(ids, done)}
          >
            Retry now
          </Button>
          <Button
            size="xs"
            variant="default"
            disabled={ids.length === 0}
            onClick={async () => {
              const answer = await ask({
                title: ids.length === 1 ? "Skip this delivery?" : `Skip ${ids.length} deliveries?`,
                body:
                  "They become dead letters, and the deliveries behind them are sent. If you retry them later, they arrive out of order.",
                action: "Skip",
                reason: "none",
              });
              if (answer) skip.mutate(ids, done);
            }}
          >
            Skip
          </Button>
          <DropButton ids={ids} drop={(reason) => drop.mutate({ ids, reason }, done)} />
          <Matching list="waiting" filter={filter} touches={TOUCHES} />
        </Group>
      )}
      <VirtualList
        label="Waiting deliveries"
        items={items}
        idOf={({ id }) => id}
        height={80}
        gap={6}
        hasMore={of.hasMore}
        reading={of.reading}
        more={of.more}
      >
        {(one) => (
          <Item
            of={one}
            checked={may ? chosen.has(one.id) : undefined}
            choose={(on) => chosen.choose(one.id, on)}
            open={open}
          />
        )}
      </VirtualList>
    </Stack>
  );
}

function Item({ of, checked, choose, open }: {
  of: WaitingDelivery;
  /** undefined: nothing can be selected. */
  checked: boolean | undefined;
  choose: (on: boolean) => void;
  open: (message: string) => void;
}) {
  const { message_id, last_four, destination, type, state, attempt, last_error, next_attempt_at, behind } =
    of;
  const what = last_four === null
    ? `${typeInWords(type)} to ${destination}`
    : `${typeInWords(type)} of contact ending in ${last_four} to ${destination}`;
  return (
    <Paper withBorder p="sm">
      <Group wrap="nowrap" align="flex-start">
        {checked !== undefined && (
          <Checkbox
            mt={2}
            aria-label={`Select ${what}`}
            checked={checked}
            onChange={(event) => choose(event.currentTarget.checked)}
          />
        )}
        <div style={{ minWidth: 0, flex: 1 }}>
          <Group gap="xs">
            <Text fw={600} size="sm">{destination}</Text>
            <Text size="sm">{typeInWords(type)}</Text>
            {(last_four ?? message_id) !== null && <Contact id={last_four ?? "????"} />}
            <Text size="xs" c="dimmed" component="div">
              {state === "leased" ? "in progress" : (
                <>
                  next attempt <Time at={next_attempt_at} />
                </>
              )}, {attempt} {attempt === 1 ? "attempt" : "attempts"}{" "}
              so far{behind > 0 && `, ${behind} waiting behind it`}
            </Text>
          </Group>
          {last_error && (
            <Text size="sm" style={{ overflowWrap: "anywhere" }}>
              <InZone text={last_error} />
            </Text>
          )}
        </div>
        {message_id !== null && (
          <UnstyledButton
            c="var(--mantine-color-anchor)"
            fz="sm"
            aria-label={`Details of ${what}`}
            onClick={() => open(message_id)}
          >
            Details
          </UnstyledButton>
        )}
      </Group>
    </Paper>
  );
}
