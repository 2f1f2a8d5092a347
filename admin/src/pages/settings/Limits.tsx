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
  /** What holds without the setting. */
  otherwise: number;
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
  const [value, setValue] = useState<number | string>(now);
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
  if (!may) return `${now.toLocaleString()} ${unit}`;
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const answer = await ask({
      title: `${title}: ${value} ${unit}?`,
      body: `Until now ${now} ${unit}.`,
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
