/** For whom the feature failed, and the way to write to them. */
import { Anchor, Button, Group, Stack, Table, Text } from "@mantine/core";
import { useState } from "react";
import { Link } from "wouter";
import { useAffected } from "../../data/announcements.ts";
import { For } from "../../session/me.tsx";
import { Contact } from "../../ui/Contact.tsx";
import { Section } from "../../ui/Section.tsx";
import { Loaded } from "../../ui/states.tsx";
import { Time } from "../../ui/Time.tsx";

const PAGE = 10;

export function Affected({ flag }: { flag: string }) {
  const [offset, setOffset] = useState(0);
  const affected = useAffected(flag, offset, PAGE);
  return (
    <Section title="Affected people">
      <Loaded of={affected}>
        {(list) =>
          list.people === 0
            ? <Text size="sm" c="dimmed">The feature has failed for nobody who had it within 60 days.</Text>
            : (
              <Stack gap="sm">
                <Text size="sm">
                  Failed for {list.people} {list.people === 1 ? "person" : "people"} who had it,{" "}
                  {list.contacts} of them known as contacts.{" "}
                  <For role="operator">
                    <Anchor
                      component={Link}
                      href={`/announcements/new?to=affected&flag=${encodeURIComponent(flag)}`}
                      size="sm"
                      underline="always"
                    >
                      Notify them
                    </Anchor>
                  </For>
                </Text>
                <Table>
                  <Table.Thead>
                    <Table.Tr>
                      <Table.Th>Person</Table.Th>
                      <Table.Th>Minutes</Table.Th>
                      <Table.Th>Last</Table.Th>
                    </Table.Tr>
                  </Table.Thead>
                  <Table.Tbody>
                    {list.rows.map((row) => (
                      <Table.Tr key={row.subject_id}>
                        <Table.Td>
                          <Contact id={row.last_four ?? row.subject_id} />
                        </Table.Td>
                        <Table.Td>{row.failures}</Table.Td>
                        <Table.Td>
                          <Time at={row.last_at} />
                        </Table.Td>
                      </Table.Tr>
                    ))}
                  </Table.Tbody>
                </Table>
                {list.people > PAGE && (
                  <Group gap="xs">
                    <Button
                      size="xs"
                      variant="default"
                      disabled={offset === 0}
                      onClick={() => setOffset(Math.max(0, offset - PAGE))}
                    >
                      Earlier rows
                    </Button>
                    <Button
                      size="xs"
                      variant="default"
                      disabled={offset + PAGE >= list.people}
                      onClick={() => setOffset(offset + PAGE)}
                    >
                      Next rows
                    </Button>
                  </Group>
                )}
              </Stack>
            )}
      </Loaded>
    </Section>
  );
}
