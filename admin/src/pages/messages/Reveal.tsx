/**
 * Reveals a contact. An operator's action, recorded with its reason. The panel does not store what it
 * revealed.
 */
import { ActionIcon, Button, CopyButton, Group, Modal, Stack, Table, Text } from "@mantine/core";
import { useState } from "react";
import type { RevealedContact } from "../../../../supabase/functions/_shared/contract/answers/messages.ts";
import { rpc, useChange } from "../../data/query.ts";
import { useAsk } from "../../ui/ask.tsx";
import { Icon } from "../../ui/icons.tsx";
import { Time } from "../../ui/Time.tsx";

const KINDS: Record<string, string> = {
  phone: "Phone number",
  email: "Email address",
  username: "Username",
  bsuid: "WhatsApp user id",
  parent_bsuid: "Parent user id",
};

export function Reveal({ contact, channel }: { contact: string; channel: string }) {
  const ask = useAsk();
  const [shown, setShown] = useState<RevealedContact>();
  const reveal = useChange({
    act: (reason: string) => rpc("reveal_contact", { p_contact_id: contact, p_reason: reason }),
    touches: ["contact_acts"],
  });
  return (
    <>
      <Button
        size="xs"
        variant="default"
        leftSection={<Icon name="eye" size={16} />}
        loading={reveal.isPending}
        onClick={async () => {
          const answer = await ask({
            title: `Show this contact's ${channel === "email" ? "address" : "number"} and name?`,
            body: "The team can see that you viewed them, when and why.",
            action: "Show",
            reason: "required",
          });
          if (answer?.reason) setShown(await reveal.mutateAsync(answer.reason).catch(() => undefined));
        }}
      >
        Reveal
      </Button>
      <Modal
        opened={shown !== undefined}
        onClose={() => setShown(undefined)}
        title="Contact"
        closeButtonProps={{ "aria-label": "Hide contact" }}
        centered
      >
        {shown && (
          <Stack>
            <Text fw={600}>{shown.name ?? "No name"}</Text>
            <Table layout="fixed">
              <Table.Tbody>
                {shown.identities.map(({ kind, value, valid_to }) => (
                  <Table.Tr key={`${kind} ${value} ${valid_to}`}>
                    <Table.Td>
                      <Text size="xs" c="dimmed" component="div">
                        {KINDS[kind] ?? kind}
                        {valid_to && (
                          <>
                            , until <Time at={valid_to} />
                          </>
                        )}
                      </Text>
                      <Group gap={4} wrap="nowrap">
                        <Text ff="monospace" style={{ overflowWrap: "anywhere" }}>
                          {kind === "phone" ? `+${value}` : value}
                        </Text>
                        <CopyButton value={kind === "phone" ? `+${value}` : value}>
                          {({ copied, copy }) => (
                            <ActionIcon
                              variant="subtle"
                              color="gray"
                              aria-label={copied ? "Copied" : `Copy ${KINDS[kind] ?? kind}`}
                              onClick={copy}
                            >
                              <Icon name={copied ? "check" : "copy"} size={16} />
                            </ActionIcon>
                          )}
                        </CopyButton>
                      </Group>
                    </Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
            <Button variant="default" onClick={() => setShown(undefined)}>Hide</Button>
          </Stack>
        )}
      </Modal>
    </>
  );
}
