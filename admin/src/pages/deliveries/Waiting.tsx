/** Waiting deliveries, the first of each conversation: retry, skip, or drop with a reason; one or several. */
import { Button, Checkbox, Group, Paper, Select, Stack, Text, UnstyledButton } from "@mantine/core";
import { typeInWords } from "../../../../supabase/functions/_shared/contract/words/messages.ts";
import { rpc, useChange, useRpc } from "../../data/query.ts";
import { useMay } from "../../session/me.tsx";
import { useParameter } from "../../ui/location.ts";
import { useAsk } from "../../ui/ask.tsx";
import { Contact } from "../../ui/Contact.tsx";
import { Icon } from "../../ui/icons.tsx";
import { Empty, Loaded } from "../../ui/states.tsx";
import { InZone, Time } from "../../ui/Time.tsx";
import { ChooseAll, DropButton, useChosen } from "./choosing.tsx";
import type { WaitingDelivery } from "../../../../supabase/functions/_shared/contract/answers/deliveries.ts";

const MOST = 200;
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
  const waiting = useRpc("list_waiting", {
    p_filter: destination ? { destination } : {},
    p_limit: MOST,
  }, { every: 5_000 });
  return (
    <Stack>
      <Group>
        <Select
          aria-label="Destination"
          placeholder="All destinations"
          clearable
          clearButtonProps={{ "aria-label": "All destinations" }}
          data={names}
          value={destination || null}
          onChange={(value) => setDestination(value ?? "")}
        />
      </Group>
      <Loaded of={waiting}>{(items) => <List key={destination} items={items} open={open} />}</Loaded>
    </Stack>
  );
}

function List({ items, open }: { items: WaitingDelivery[]; open: (message: string) => void }) {
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
  });
  const drop = useChange({
    act: ({ ids, reason }: { ids: string[]; reason: string }) =>
      rpc("drop_deliveries", { p_ids: ids, p_reason: reason }),
    touches: TOUCHES,
    said: (n) => `${counted(n)} ${n === 1 ? "was" : "were"} dropped.`,
  });
  if (items.length === 0) {
    return (
      <Empty icon="check" title="No waiting deliveries">
        All deliveries were sent or became dead letters.
      </Empty>
    );
  }
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
        </Group>
      )}
      <Stack gap={6} component="ul" p={0} m={0} style={{ listStyle: "none" }}>
        {items.map((one) => (
          <Item
            key={one.id}
            of={one}
            checked={may ? chosen.has(one.id) : undefined}
            choose={(on) => chosen.choose(one.id, on)}
            open={open}
          />
        ))}
      </Stack>
      {items.length === MOST && (
        <Text size="sm" c="dimmed">
          These are the {MOST} that wait longest from now on. There may be more.
        </Text>
      )}
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
    <Paper component="li" withBorder p="sm">
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
