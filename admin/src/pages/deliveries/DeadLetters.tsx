/** Dead letters: inspect, retry, or drop with a reason; one or several. */
import {
  Button,
  Checkbox,
  Group,
  Paper,
  SegmentedControl,
  Select,
  Stack,
  Text,
  TextInput,
  UnstyledButton,
} from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { useState } from "react";
import { typeInWords } from "../../../../supabase/functions/_shared/contract/words/messages.ts";
import { type Source, usePages } from "../../data/pages.ts";
import { rpc, useChange } from "../../data/query.ts";
import { useNames } from "../../session/team.ts";
import { useMay } from "../../session/me.tsx";
import { ListTools } from "../../session/ListTools.tsx";
import { useParameter } from "../../ui/location.ts";
import { Contact } from "../../ui/Contact.tsx";
import { Icon } from "../../ui/icons.tsx";
import { Empty, Failed, Loading } from "../../ui/states.tsx";
import { InZone, Time } from "../../ui/Time.tsx";
import { droppedWords } from "../messages/words.ts";
import { VirtualList } from "../../ui/VirtualList.tsx";
import { Matching } from "./Matching.tsx";
import { ChooseAll, DropButton, useChosen } from "./choosing.tsx";
import type { DeadLetter } from "../../../../supabase/functions/_shared/contract/answers/deliveries.ts";

const SIZE = 50;
const TOUCHES = [
  "list_dead_letters",
  "destination_health",
  "message_story",
  "conversation_messages",
  "status",
];

export function DeadLetters({ names, open }: { names: string[]; open: (message: string) => void }) {
  const [destination, setDestination] = useParameter("destination");
  const [error, setError] = useParameter("error");
  const [which, setWhich] = useParameter("which", "open");
  const [typed, setTyped] = useState(error);
  const search = useDebouncedCallback(setError, 300);
  const filter = {
    ...(destination ? { destination } : {}),
    ...(error ? { error } : {}),
    ...(which === "dropped" ? { dropped: "true" } : {}),
  };
  return (
    <Stack>
      <ListTools name="dead-letters" source={deadLetters(filter)}>
        <SegmentedControl
          aria-label="State"
          value={which}
          onChange={setWhich}
          data={[{ value: "open", label: "Open" }, { value: "dropped", label: "Dropped" }]}
        />
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
        <TextInput
          type="search"
          aria-label="Search errors"
          placeholder="Search errors"
          leftSection={<Icon name="search" size={16} />}
          value={typed}
          onChange={({ currentTarget: { value } }) => (setTyped(value), search(value.trim()))}
        />
      </ListTools>
      <List key={JSON.stringify(filter)} filter={filter} open={open} />
    </Stack>
  );
}

/** Dead letters by pages. */
const deadLetters = (filter: Record<string, string>): Source<DeadLetter> => ({
  read: (after) =>
    rpc("list_dead_letters", {
      p_filter: after ? { ...filter, before_at: after.updated_at, before_id: after.id } : filter,
      p_limit: SIZE,
    }),
  size: SIZE,
});

function List({ filter, open }: { filter: Record<string, string>; open: (message: string) => void }) {
  const may = useMay("operator");
  const pages = usePages<DeadLetter>({
    key: ["list_dead_letters", filter],
    ...deadLetters(filter),
    idOf: ({ id }) => id,
  });
  const chosen = useChosen(pages.items ?? []);
  const gone = (ids: string[]) =>
    ["newest", "pages"].map((part) => ({
      key: ["list_dead_letters", filter, part],
      data: (before: unknown) => without(before, new Set(ids)),
    }));
  const retry = useChange({
    act: (ids: string[]) => rpc("retry_deliveries", { p_ids: ids }),
    touches: TOUCHES,
    foresee: gone,
    said: (n) => n === 1 ? "One delivery is being retried." : `${n} deliveries are being retried.`,
  });
  const drop = useChange({
    act: ({ ids, reason }: { ids: string[]; reason: string }) =>
      rpc("drop_deliveries", { p_ids: ids, p_reason: reason }),
    touches: TOUCHES,
    foresee: ({ ids }) => gone(ids),
    said: (n) => n === 1 ? "One delivery was dropped." : `${n} deliveries were dropped.`,
  });

  if (pages.items === undefined) {
    return pages.error ? <Failed error={pages.error} retry={pages.retry} /> : <Loading />;
  }
  if (pages.items.length === 0) {
    return Object.keys(filter).length > 0
      ? <Empty icon="search" title="No matching dead letters">Remove a filter to see more.</Empty>
      : (
        <Empty icon="check" title="No dead letters">
          Deliveries that fail after all attempts appear here.
        </Empty>
      );
  }
  const { items } = pages;
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
            Retry
          </Button>
          {filter.dropped === undefined && (
            <>
              <DropButton ids={ids} drop={(reason) => drop.mutate({ ids, reason }, done)} />
              <Matching list="dead" filter={filter} touches={TOUCHES} />
            </>
          )}
        </Group>
      )}
      <VirtualList
        label="Dead letters"
        items={items}
        idOf={({ id }) => id}
        height={80}
        gap={6}
        hasMore={pages.hasMore}
        reading={pages.reading}
        more={pages.more}
      >
        {(letter) => (
          <Letter
            of={letter}
            checked={may ? chosen.has(letter.id) : undefined}
            choose={chosen.choose}
            open={open}
          />
        )}
      </VirtualList>
    </Stack>
  );
}

/** A page, or the pages of a list, without some of their dead letters. */
function without(data: unknown, ids: ReadonlySet<string>): unknown {
  if (Array.isArray(data)) return data.filter(({ id }: DeadLetter) => !ids.has(id));
  const { pages, ...rest } = data as { pages: DeadLetter[][] };
  return { ...rest, pages: pages.map((page) => page.filter(({ id }) => !ids.has(id))) };
}

function Letter({ of, checked, choose, open }: {
  of: DeadLetter;
  /** undefined: nothing can be selected. */
  checked: boolean | undefined;
  choose: (id: string, on: boolean) => void;
  open: (message: string) => void;
}) {
  const { id, message_id, last_four, destination, type, attempt, last_error, dropped_reason, updated_at } =
    of;
  const nameOf = useNames();
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
            onChange={(event) => choose(id, event.currentTarget.checked)}
          />
        )}
        <div style={{ minWidth: 0, flex: 1 }}>
          <Group gap="xs">
            <Text fw={600} size="sm">{destination}</Text>
            <Text size="sm">{typeInWords(type)}</Text>
            {(last_four ?? message_id) !== null && <Contact id={last_four ?? "????"} />}
            <Text size="xs" c="dimmed" component="div">
              given up <Time at={updated_at} /> after {attempt} {attempt === 1 ? "attempt" : "attempts"}
            </Text>
          </Group>
          <Text size="sm" style={{ overflowWrap: "anywhere" }}>
            <InZone text={last_error ?? "No error recorded."} />
          </Text>
          {dropped_reason && <Text size="sm" c="dimmed">Dropped: {droppedWords(dropped_reason, nameOf)}
          </Text>}
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
