/**
 * Tries a message: which route would match, and why not the others, by the router's own code. Nothing is
 * stored.
 */
import { Group, Paper, Select, SimpleGrid, Stack, Table, Text, TextInput, Title } from "@mantine/core";
import { INBOUND_TYPES } from "../../../../supabase/functions/_shared/contract/messages.ts";
import { typeInWords } from "../../../../supabase/functions/_shared/contract/words/messages.ts";
import { routingReasonInWords } from "../../../../supabase/functions/_shared/contract/words/routing.ts";
import type { Row } from "../../../../supabase/functions/_shared/contract/sql.ts";
import { useState } from "react";
import { allRows, LIVE_MS, MAX_ROWS, useRead, useRows } from "../../data/query.ts";
import { useParameter } from "../../ui/location.ts";
import { Icon } from "../../ui/icons.tsx";
import { Failed, Loaded, Loading } from "../../ui/states.tsx";
import { InZone } from "../../ui/Time.tsx";
import { useAllRoutes, useDestinations } from "./data.ts";
import classes from "./routes.module.css";
import type { Destination, WholeRoute } from "./types.ts";
import { decisionOf, type Part, segmentsOf, type TriedDecision } from "./try_message.ts";
import { factsOf, type Writer, WriterFields } from "./WriterFields.tsx";

type FlagSetting = Pick<Row<"settings">, "key" | "value" | "metadata" | "version">;

/** Reads every route, as the router does: the list above it shows a page of them. */
export function TryMessage() {
  const routes = useAllRoutes(true);
  const destinations = useDestinations(true);
  const failed = [routes, destinations].find(({ isError, data }) => isError && data === undefined);
  if (failed) return <Failed error={failed.error!} retry={failed.refetch} />;
  if (!routes.data || !destinations.data) return <Loading rows={3} />;
  return <Trial routes={routes.data} destinations={destinations.data} />;
}

function Trial({ routes, destinations }: { routes: WholeRoute[]; destinations: Destination[] }) {
  const [text, setText] = useParameter("try");
  const [type, setType] = useParameter("type", "text");
  const [channel, setChannel] = useParameter("channel", "whatsapp");
  const [code, setCode] = useParameter("link");
  const [writer, setWriter] = useState<Writer>({});
  const settings = useRead(
    ["settings", "all flags"],
    () =>
      allRows<FlagSetting>((db, last) => {
        const rows = db.from("settings").select("key,value,metadata,version").like("key", "%.enabled")
          .order("key").limit(MAX_ROWS);
        return last ? rows.gt("key", last.key) : rows;
      }),
    { every: (flags) => LIVE_MS * ((flags?.length ?? 0) > MAX_ROWS ? 12 : 1), patient: true },
  );
  const links = useRows(
    ["links", "facts", code],
    (db) => db.from("links").select("code,tags,campaign").eq("code", code.toLowerCase()).limit(1),
    { enabled: code !== "" },
  );
  const link = code === "" ? undefined : links.data?.find((one) => one.code === code.toLowerCase());
  const decision = useRead<TriedDecision>(
    ["try", text, type, channel, link ?? null, writer, routes, destinations, settings.data ?? null],
    async () => {
      const { contact, ...facts } = factsOf(writer, channel);
      const memberships = contact.id === "" ? [] : await allRows<{ segment_key: string }>((db, last) => {
        const rows = db.from("segment_members").select("segment_key").eq("subject_id", contact.id)
          .order("segment_key").limit(MAX_ROWS);
        return last ? rows.gt("segment_key", last.segment_key) : rows;
      });
      return decisionOf({
        routes,
        destinations,
        settings: settings.data ?? [],
        segments: segmentsOf(contact.id, memberships),
        message: { channel, type, text, link, contact, ...facts },
        now: writer.at ? new Date(writer.at) : new Date(),
        sticky: writer.sticky,
      });
    },
    { every: false, enabled: routes.length > 0 },
  );
  if (routes.length === 0) return null;
  // Asked for only where a route is for another one.
  const channels = [...new Set(["whatsapp", channel, ...routes.flatMap(({ channels }) => channels)])];
  // The address may contain another type.
  const types = [...new Set<string>([...INBOUND_TYPES, type])];
  const nameOf = new Map(destinations.map(({ id, name }) => [id, name]));
  return (
    <Paper withBorder p="md" component="section" aria-label="Try a message">
      <Stack>
        <div>
          <Title order={2} size="h4">Try a message</Title>
          <Text size="sm" c="dimmed">
            See which route a message would take. Empty fields stand for an unknown person writing now.
            Nothing is stored or sent.
          </Text>
        </div>
        <SimpleGrid cols={{ base: 1, sm: channels.length > 1 ? 4 : 3 }}>
          <TextInput label="Text" value={text} onChange={({ currentTarget: { value } }) => setText(value)} />
          <Select
            label="Type"
            data={types.map((value) => ({ value, label: typeInWords(value) }))}
            allowDeselect={false}
            value={type}
            onChange={(value) => setType(value ?? "text")}
          />
          {channels.length > 1 && (
            <Select
              label="Channel"
              data={channels}
              allowDeselect={false}
              value={channel}
              onChange={(value) => setChannel(value ?? "whatsapp")}
            />
          )}
          <TextInput
            label="From link (code)"
            error={code !== "" && links.data !== undefined && !links.isFetching && !link &&
              "Link not found."}
            value={code}
            onChange={({ currentTarget: { value } }) => setCode(value.trim())}
          />
        </SimpleGrid>
        <WriterFields routes={routes} channel={channel} value={writer} onChange={setWriter} />
        <Loaded of={decision} rows={2}>
          {({ explanation, omitted, reason, destinationIds, parts }) => {
            const taken = explanation.find(({ matched }) => matched);
            return (
              <div role="status">
                <Text>
                  <strong>{taken?.name ?? "No route"}</strong>: {routingReasonInWords(reason)}
                  {destinationIds.length > 0 &&
                    ` → ${destinationIds.map((id) => nameOf.get(id)).join(" and ")}`}
                </Text>
                <Table mt="xs" aria-label="Routes in their order of evaluation">
                  <Table.Tbody>
                    {explanation.map(({ route, name, matched, why }) => (
                      <Table.Tr key={route}>
                        <Table.Td>
                          <Group gap="xs" wrap="nowrap">
                            <Text c={matched ? "green" : "dimmed"} component="span" lh={1}>
                              <Icon name={matched ? "check" : "cross"} size={16} />
                            </Text>
                            <Text size="sm" fw={matched ? 600 : 400}>{name}</Text>
                          </Group>
                        </Table.Td>
                        <Table.Td>
                          <Text size="sm" fw={matched ? 600 : 400} style={{ whiteSpace: "nowrap" }}>
                            {verdictOf(matched, route in parts)}
                          </Text>
                        </Table.Td>
                        <Table.Td>
                          <Text size="sm" c="dimmed" component="div">
                            <InZone text={why} />
                          </Text>
                          <Parts of={parts[route]?.parts ?? []} />
                        </Table.Td>
                      </Table.Tr>
                    ))}
                  </Table.Tbody>
                </Table>
                {(omitted ?? 0) > 0 && (
                  <Text size="sm" c="dimmed" mt="xs">
                    {omitted!.toLocaleString()} more routes do not match.
                  </Text>
                )}
              </div>
            );
          }}
        </Loaded>
      </Stack>
    </Paper>
  );
}

/** What became of a route, without its reason. */
const verdictOf = (matched: boolean, evaluated: boolean): string =>
  matched ? "Matches" : evaluated ? "Does not match" : "Not tried";

/** The parts of a condition: which of them hold for the message, and which do not. */
function Parts({ of }: { of: Part[] }) {
  if (of.length === 0) return null;
  return (
    <ul className={classes.parts}>
      {of.map(({ words, holds, parts }, index) => (
        <li key={index}>
          <Text span size="sm" fw={600} c={holds ? "var(--good)" : "var(--bad)"}>
            {holds ? "Holds" : "Fails"}
          </Text>
          <Text span size="sm">: {words}</Text>
          <Parts of={parts} />
        </li>
      ))}
    </ul>
  );
}
