/** Limits and periods that the running system reads from the settings, within seconds of a change. */
import { Button, Group, NumberInput, Stack, Table, Text } from "@mantine/core";
import { type FormEvent, useState } from "react";
import type { Row } from "../../../../supabase/functions/_shared/contract/sql.ts";
import { undone } from "../../data/flags.ts";
import { rpc, useChange, useRows } from "../../data/query.ts";
import { useMay } from "../../session/me.tsx";
import { useAsk } from "../../ui/ask.tsx";
import { Loaded } from "../../ui/states.tsx";
import { useUnsaved } from "../../ui/unsaved.ts";
import { type Limit, SETTINGS } from "./limits.ts";

type Setting = Pick<Row<"settings">, "key" | "value" | "version">;

export function Limits() {
  const settings = useRows(
    ["settings", "limits"],
    (db) =>
      db.from("settings").select("key,value,version").in("key", SETTINGS.map(({ key }) => key)).limit(
        SETTINGS.length,
      ),
  );
  return (
    <Loaded of={settings}>
      {(settings) => (
        <Table aria-label="Limits">
          <Table.Tbody>
            {SETTINGS.map((limit) => {
              const setting = settings.find(({ key }) => key === limit.key);
              return (
                <Table.Tr key={limit.key}>
                  <Table.Td>
                    <Text size="sm" fw={600}>{limit.title}</Text>
                    <Text size="xs" c="dimmed">{limit.about}</Text>
                  </Table.Td>
                  <Table.Td w={{ base: 172, sm: 330 }}>
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
  const until = now === null ? "unlimited" : `${now.toLocaleString()} ${unit}`;
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
    said: () => `${title}: ${value} ${unit}. This takes effect within 5 seconds.`,
    undo: ({ version }) =>
      setting === undefined ? undefined : async () => {
        await undone(key, version);
        return `Undone: ${title} is ${until} again.`;
      },
  });
  // What was sent is saved, though the page has not read it yet.
  const isOpen = !save.isPending && !save.isSuccess && String(value) !== String(now ?? "");
  useUnsaved(isOpen ? title : undefined);
  if (!may) return until;
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const answer = await ask({
      title: `${title}: ${value} ${unit}?`,
      body: `Currently ${until}.`,
      action: "Change",
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
        <Stack gap={0} w={{ base: "auto", sm: 84 }}>
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
