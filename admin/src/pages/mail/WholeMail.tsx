/**
 * A mail whole: its text with what it quotes, its HTML in a sandboxed frame, its files as downloads. An operator's action,
 * recorded with its reason. The panel stores nothing of it.
 */
import { Alert, Button, Group, Modal, Stack, Table, Tabs, Text } from "@mantine/core";
import { useState } from "react";
import type { WholeMail as Whole } from "../../../../supabase/functions/_shared/contract/http/mails.ts";
import { callFunction, downloadFromFunction } from "../../data/functions.ts";
import { rpc, useChange } from "../../data/query.ts";
import { useAsk } from "../../ui/ask.tsx";
import { Icon } from "../../ui/icons.tsx";

/**
 * The document of the frame. It has no scripts and no origin, and its policy lets it load nothing; what the person
 * opens from it opens elsewhere.
 */
const framed = (html: string) =>
  `<!doctype html><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="default-src 'none'; ` +
  `img-src data:; style-src 'unsafe-inline'"><meta name="referrer" content="no-referrer">` +
  `<body style="margin:12px;background:#fff;color:#111;font:15px/1.5 system-ui;overflow-wrap:anywhere">${html}`;

export function WholeMail({ message }: { message: string }) {
  const ask = useAsk();
  const [shown, setShown] = useState<Whole>();
  const read = useChange({
    act: async (reason: string) => {
      await rpc("reveal_message", { p_message_id: message, p_reason: reason });
      return await callFunction<Whole>(`email-webhook/mails/${message}`);
    },
    touches: ["contact_acts"],
  });
  return (
    <>
      <Button
        size="compact-sm"
        variant="default"
        leftSection={<Icon name="eye" size={14} />}
        loading={read.isPending}
        onClick={async () => {
          const answer = await ask({
            title: "Read the whole mail?",
            body: "It may contain addresses. The team can see that you viewed it, when and why.",
            action: "Read",
            reason: "required",
          });
          if (answer?.reason) setShown(await read.mutateAsync(answer.reason).catch(() => undefined));
        }}
      >
        Read the whole mail
      </Button>
      <Modal
        opened={shown !== undefined}
        onClose={() => setShown(undefined)}
        title="Mail"
        size="xl"
        closeButtonProps={{ "aria-label": "Close mail" }}
      >
        {shown && <Shown of={shown} onLoaded={setShown} />}
      </Modal>
    </>
  );
}

const nameOf = ({ address, name }: { address: string; name: string }) =>
  name ? `${name} <${address}>` : address;

/** How many images of other servers there are, and the offer to load them. */
function RemoteImages({ of, onLoaded }: { of: Whole; onLoaded: (whole: Whole) => void }) {
  const { id, remote_images: all, remote_shown: shown } = of;
  const [isLoaded, setLoaded] = useState(false);
  const load = useChange({
    act: () => callFunction<Whole>(`email-webhook/mails/${id}?images=remote`),
    touches: [],
  });
  if (all === 0) return null;
  return (
    <Alert color="gray" p="xs" mb="sm" role="status">
      <Group justify="space-between">
        <Text size="sm">
          {isLoaded
            ? `${shown} of ${all} ${all === 1 ? "image" : "images"} of other servers loaded.`
            : all === 1
            ? "One image of another server is not loaded: it would tell the sender that the mail is read."
            : `${all} images of other servers are not loaded: they would tell the sender that the mail is read.`}
        </Text>
        {!isLoaded && (
          <Button
            size="compact-sm"
            variant="default"
            title="Your server loads them: the sender learns that the mail was opened, and nothing about you."
            loading={load.isPending}
            onClick={async () => {
              const whole = await load.mutateAsync(undefined).catch(() => undefined);
              if (whole === undefined) return;
              setLoaded(true);
              onLoaded(whole);
            }}
          >
            Load images
          </Button>
        )}
      </Group>
    </Alert>
  );
}

function Shown({ of, onLoaded }: { of: Whole; onLoaded: (whole: Whole) => void }) {
  const { id, subject, from, to, cc, text, html, raw, attachments } = of;
  const people = [
    ["From", from === null ? "" : nameOf(from)],
    ["To", to.map(nameOf).join(", ")],
    ["Cc", cc.map(nameOf).join(", ")],
  ].filter(([, value]) => value !== "");
  return (
    <Stack gap="sm">
      <Text fw={600} dir="auto">{subject || "No subject"}</Text>
      {people.map(([name, value]) => (
        <Text key={name} size="sm" style={{ overflowWrap: "anywhere" }}>{name}: {value}</Text>
      ))}
      <Tabs defaultValue="text" keepMounted={false}>
        <Tabs.List mb="sm">
          <Tabs.Tab value="text">Text</Tabs.Tab>
          {html !== null && <Tabs.Tab value="html">HTML</Tabs.Tab>}
        </Tabs.List>
        <Tabs.Panel value="text">
          <Text size="sm" dir="auto" style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>
            {text}
          </Text>
        </Tabs.Panel>
        {html !== null && (
          <Tabs.Panel value="html">
            <RemoteImages of={of} onLoaded={onLoaded} />
            <iframe
              title="The mail's HTML"
              sandbox="allow-popups allow-popups-to-escape-sandbox"
              referrerPolicy="no-referrer"
              srcDoc={framed(html)}
              style={{ width: "100%", height: "50vh", border: 0, borderRadius: 8, background: "#fff" }}
            />
          </Tabs.Panel>
        )}
      </Tabs>
      {attachments.length > 0 && (
        <Table aria-label="Attachments">
          <Table.Tbody>
            {attachments.map(({ index, name, size, stored }) => (
              <Table.Tr key={index}>
                <Table.Td style={{ overflowWrap: "anywhere" }}>{name}</Table.Td>
                <Table.Td>{Math.ceil(size / 1024)} KB</Table.Td>
                <Table.Td ta="end">
                  {stored
                    ? <Download path={`${id}/attachments/${index}`} name={name} label={`Download ${name}`} />
                    : <Text size="xs" c="dimmed">not stored</Text>}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
      {raw && (
        <Group>
          <Download path={`${id}/raw`} name="mail.eml" label="Download the raw mail" />
        </Group>
      )}
    </Stack>
  );
}

function Download({ path, name, label }: { path: string; name: string; label: string }) {
  const download = useChange({
    act: () => downloadFromFunction(`email-webhook/mails/${path}`, name),
    touches: [],
  });
  return (
    <Button
      size="compact-sm"
      variant="default"
      aria-label={label}
      leftSection={<Icon name="download" size={14} />}
      loading={download.isPending}
      onClick={() => download.mutate(undefined)}
    >
      {name === "mail.eml" ? "Raw mail" : "Download"}
    </Button>
  );
}
