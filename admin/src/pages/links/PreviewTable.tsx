/** Where each platform would go, previewed in the form for a chosen visitor. */
import { Select, SimpleGrid, Stack, Switch, Table, Text, TextInput } from "@mantine/core";
import type { When } from "../../../../supabase/functions/_shared/contract/links.ts";
import { IN_APP_BROWSERS } from "../../../../supabase/functions/_shared/contract/link_limits.ts";
import { isoOf, localOf } from "./form/body.ts";
import { COUNTRIES } from "./form/countries.ts";
import type { PreviewPlace, PreviewRow, Visitor } from "./preview.ts";
import type { Target } from "../../../../supabase/functions/_shared/contract/links.ts";
import { IN_APP_NAMES } from "./words.ts";

export function PreviewTable({ rows }: { rows: PreviewRow[] }) {
  return (
    <Table withTableBorder aria-label="Target by platform" layout="fixed">
      <Table.Thead>
        <Table.Tr>
          <Table.Th w={130}>Visitor</Table.Th>
          <Table.Th>Target</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {rows.map(({ platform, name, places }) => (
          <Table.Tr key={platform}>
            <Table.Td>{name}</Table.Td>
            <Table.Td style={{ overflowWrap: "anywhere" }}>
              <Stack gap={6}>{places.map((place, index) => <Place key={index} of={place} />)}</Stack>
            </Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}

function Place({ of: { share, location, otherwise, why } }: { of: PreviewPlace }) {
  const chat = location && chatIn(location);
  return (
    <div>
      {chat ? <Text size="sm">{chat}</Text> : (
        <Text
          size="sm"
          c={location ? undefined : "var(--bad)"}
          ff={location ? "monospace" : undefined}
          fz={13}
        >
          {location ?? "Refused"}
        </Text>
      )}
      {otherwise && <Text size="xs" ff="monospace">without the app: {otherwise}</Text>}
      <Text size="xs" c="dimmed">{share < 100 && `${share} % of visitors, `}{why}</Text>
    </div>
  );
}

/** A wa.me URL in readable form. */
function chatIn(location: string): string | undefined {
  const { host, pathname, searchParams } = URL.canParse(location) ? new URL(location) : { host: "" } as URL;
  if (host !== "wa.me") return undefined;
  const text = searchParams.get("text");
  return `WhatsApp chat with +${pathname.slice(1)}${text ? `: “${text}”` : ""}`;
}

const IN_APPS = Object.entries(IN_APP_NAMES).map(([value, label]) => ({ value, label }));

/** Fields for the properties that the rules use; no other makes a difference. */
export function VisitorFields(
  { targets, value, onChange }: { targets: Target[]; value: Visitor; onChange: (value: Visitor) => void },
) {
  const asked = new Set(targets.flatMap(({ when = {} }) => Object.keys(when))) as Set<keyof When>;
  const set = (changes: Partial<Visitor>) => onChange({ ...value, ...changes });
  const timed = asked.has("date") || asked.has("time");
  if (
    !timed &&
    !(["country", "language", "referrer", "query", "in_app", "visitor"] as const).some((one) =>
      asked.has(one)
    )
  ) {
    return null;
  }
  return (
    <Stack gap="xs" role="group" aria-label="Preview for a visitor">
      <Text size="sm" fw={600}>Preview for a visitor</Text>
      <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="xs">
        {asked.has("country") && (
          <Select
            label="Country"
            placeholder="Unknown"
            searchable
            clearable
            clearButtonProps={{ "aria-label": "Unknown country" }}
            data={COUNTRIES}
            value={value.country ?? null}
            onChange={(country) => set({ country: country ?? undefined })}
          />
        )}
        {asked.has("language") && (
          <TextInput
            label="Language"
            placeholder="en"
            value={value.language ?? ""}
            onChange={({ currentTarget }) => set({ language: currentTarget.value.trim() || undefined })}
          />
        )}
        {asked.has("referrer") && (
          <TextInput
            label="Referrer host"
            placeholder="none"
            value={value.referrer ?? ""}
            onChange={({ currentTarget }) => set({ referrer: currentTarget.value.trim() || undefined })}
          />
        )}
        {asked.has("in_app") && (
          <Select
            label="In-app browser"
            placeholder="None"
            searchable
            clearable
            clearButtonProps={{ "aria-label": "No in-app browser" }}
            data={IN_APPS}
            value={value.inApp ?? null}
            onChange={(app) => set({ inApp: IN_APP_BROWSERS.find((one) => one === app) })}
          />
        )}
        {asked.has("query") && (
          <TextInput
            label="Parameters"
            placeholder="src=poster"
            value={value.query ?? ""}
            onChange={({ currentTarget }) =>
              set({ query: currentTarget.value.replace(/^\?/, "") || undefined })}
          />
        )}
        {timed && (
          <TextInput
            label="Time"
            type="datetime-local"
            value={localOf(value.at)}
            onChange={({ currentTarget }) => set({ at: isoOf(currentTarget.value) })}
          />
        )}
      </SimpleGrid>
      {asked.has("visitor") && (
        <Switch
          label="Returning visitor"
          checked={value.returning ?? false}
          onChange={({ currentTarget }) => set({ returning: currentTarget.checked })}
        />
      )}
    </Stack>
  );
}
