/** Limits and terms that the running system reads from settings, within seconds of a change. */
import { Button, Group, NumberInput, Stack, Table, Text } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { rpc, useChange, useRows } from "../../data/query.ts";
import { useMay } from "../../session/me.tsx";
import { useAsk } from "../../ui/ask.tsx";
import { Loaded } from "../../ui/states.tsx";

interface Setting {
  key: string;
  value: string;
  version: number;
}

interface Limit {
  key: string;
  title: string;
  about: string;
  /** What holds without the setting; null for no limit. */
  otherwise: number | null;
  least: number;
  most: number;
  unit: string;
}

/** What the functions and the clock ask for; the numbers are theirs. */
const LIMITS: Limit[] = [
  {
    key: "wa_send.rate_per_second",
    title: "Sending",
    about: "Requests to wa-send of one key; twice as many at once.",
    otherwise: 80,
    least: 1,
    most: 10_000,
    unit: "a second",
  },
  {
    key: "deeplinks.rate_per_second",
    title: "Managing links",
    about: "Requests of one key or person; five times as many at once.",
    otherwise: 20,
    least: 1,
    most: 10_000,
    unit: "a second",
  },
  {
    key: "deeplinks.visits_per_second",
    title: "Visits of one link",
    about:
      "From one network, over a minute. Behind one address of a carrier there may be thousands of people.",
    otherwise: 20,
    least: 1,
    most: 10_000,
    unit: "a second",
  },
  {
    key: "flags.rate_per_second",
    title: "Asking for flags",
    about: "Evaluations of one key in one isolate.",
    otherwise: 20_000,
    least: 1,
    most: 1_000_000,
    unit: "a second",
  },
  {
    key: "retention.event_days",
    title: "Webhook events and delivery attempts are kept",
    about: "Messages stay. At least 8: Meta repeats for up to 7.",
    otherwise: 30,
    least: 8,
    most: 99_999,
    unit: "days",
  },
  {
    key: "retention.click_days",
    title: "Clicks are kept",
    about: "The figures of each day stay.",
    otherwise: 90,
    least: 2,
    most: 99_999,
    unit: "days",
  },
  {
    key: "retention.raw_days",
    title: "Raw forms of messages are kept",
    about: "What the provider sent, besides the words.",
    otherwise: 90,
    least: 2,
    most: 99_999,
    unit: "days",
  },
  {
    key: "retention.word_days",
    title: "Words of messages are kept",
    about: "Afterwards a message is left without words and raw form. What waits or was given up keeps them.",
    otherwise: null,
    least: 1,
    most: 99_999,
    unit: "days",
  },
  {
    key: "retention.message_days",
    title: "Messages are kept",
    about: "Afterwards nothing is left of a message. What waits or was given up stays.",
    otherwise: null,
    least: 2,
    most: 99_999,
    unit: "days",
  },
  {
    key: "storage.limit_mb",
    title: "Room of the database",
    about: "What the plan of the project gives: health tells how long it lasts.",
    otherwise: 500,
    least: 1,
    most: 99_999_999,
    unit: "MB",
  },
];

export function Limits() {
  const settings = useRows<Setting>(
    ["settings", "limits"],
    (db) => db.from("settings").select("key,value,version").in("key", LIMITS.map(({ key }) => key)),
  );
  return (
    <Loaded of={settings}>
      {(settings) => (
        <Table aria-label="Limits">
          <Table.Tbody>
            {LIMITS.map((limit) => {
              const setting = settings.find(({ key }) => key === limit.key);
              return (
                <Table.Tr key={limit.key}>
                  <Table.Td>
                    <Text size="sm" fw={600}>{limit.title}</Text>
                    <Text size="xs" c="dimmed">{limit.about}</Text>
                  </Table.Td>
                  <Table.Td>
                    <Value key={setting?.version ?? 0} limit={limit} setting={setting} />
                  </Table.Td>
                </Table.Tr>
              );
            })}
          </Table.Tbody>
        </Table>
      )}
    </Loaded>
  );
}

function Value({ limit, setting }: { limit: Limit; setting: Setting | undefined }) {
  const { key, title, otherwise, least, most, unit } = limit;
  const may = useMay("operator");
  const ask = useAsk();
  const now = setting ? Number(setting.value) : otherwise;
  const until = now === null ? "for ever" : `${now.toLocaleString()} ${unit}`;
  const [value, setValue] = useState<number | string>(now ?? "");
  const save = useChange({
    act: (reason: string | null) =>
      rpc("set_setting", {
        p_key: key,
        p_value: String(value),
        p_metadata: null,
        p_expected_version: setting?.version ?? 0,
        p_reason: reason,
      }),
    touches: ["settings", "settings_history"],
    said: () => `${title}: ${value} ${unit}, within 5 seconds.`,
  });
  if (!may) return until;
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const answer = await ask({
      title: `${title}: ${value} ${unit}?`,
      body: `Until now ${until}.`,
      action: "Change it",
    });
    if (answer) save.mutate(answer.reason);
  };
  return (
    <form onSubmit={submit}>
      <Group gap="xs" justify="flex-end">
        <NumberInput
          aria-label={title}
          w={130}
          min={least}
          max={most}
          clampBehavior="strict"
          allowDecimal={false}
          thousandSeparator=","
          placeholder={until}
          value={value}
          onChange={setValue}
        />
        <Stack gap={0} w={64}>
          <Text size="sm">{unit}</Text>
        </Stack>
        <Button
          type="submit"
          size="xs"
          variant="default"
          aria-label={`Save ${title}`}
          disabled={Number(value) === now || Number(value) < least}
          loading={save.isPending}
        >
          Save
        </Button>
      </Group>
    </form>
  );
}
