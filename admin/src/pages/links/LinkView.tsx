/** One link: its URL and QR code, where it leads, and its statistics. */
import {
  ActionIcon,
  Anchor,
  Badge,
  Button,
  CopyButton,
  Group,
  Paper,
  Stack,
  Table,
  Text,
  Title,
} from "@mantine/core";
import type { ReactNode } from "react";
import { Link as To } from "wouter";
import type { Link, LinkList } from "../../../../supabase/functions/_shared/contract/links.ts";
import { factsOf } from "../../../../supabase/functions/_shared/contract/words/links.ts";
import { callFunction } from "../../data/functions.ts";
import { MAX_ROWS, useChange, useRead, useRows } from "../../data/query.ts";
import { useNames } from "../../session/team.ts";
import { For } from "../../session/me.tsx";
import { navigate } from "../../ui/location.ts";
import { useAsk } from "../../ui/ask.tsx";
import { Icon } from "../../ui/icons.tsx";
import { Page } from "../../ui/Page.tsx";
import { Empty, Loaded } from "../../ui/states.tsx";
import { State } from "../../ui/State.tsx";
import { Time, useNow } from "../../ui/Time.tsx";
import { Figures } from "./Figures.tsx";
import { GuessedLinks } from "./Guessed.tsx";
import { QrCode, QrDownloads } from "./QrCode.tsx";
import { placeWords, standing, targetWords, whenWords } from "./words.ts";

/** A link, polled, also a deleted one; null if it does not exist. */
export function useLink(code: string) {
  return useRead(["links", "one", code], async () => {
    for (const state of ["", "&state=deleted"]) {
      const { links } = await callFunction<LinkList>(`deeplinks?code=${encodeURIComponent(code)}${state}`);
      if (links.length > 0) return links[0];
    }
    return null;
  });
}

export function LinkView({ code }: { code: string }) {
  const link = useLink(code);
  return (
    <Page title={`Link ${code}`} back={<Anchor component={To} size="sm" href="/links">← All links</Anchor>}>
      <Loaded of={link}>
        {(link) =>
          link
            ? (
              <Stack gap="xl">
                {link.password && <GuessedLinks code={link.code} />}
                <Address of={link} />
                <Leads of={link} />
                <Figures code={link.code} />
              </Stack>
            )
            : (
              <Empty icon="link" title="Link not found">
                Check the code. Deleted links are found, too.
              </Empty>
            )}
      </Loaded>
    </Page>
  );
}

function Address({ of }: { of: Link }) {
  const [word, tone] = standing(of, useNow());
  return (
    <Paper withBorder p="md">
      <Group align="flex-start" gap="lg">
        <QrCode code={of.code} url={of.url} />
        <Stack gap="sm" flex={1} miw={220}>
          <Group gap={4} wrap="nowrap">
            <Anchor href={of.url} target="_blank" rel="noreferrer" style={{ overflowWrap: "anywhere" }}>
              {of.url}
            </Anchor>
            <CopyButton value={of.url}>
              {({ copied, copy }) => (
                <ActionIcon
                  variant="subtle"
                  color="gray"
                  aria-label={copied ? "Copied" : "Copy URL"}
                  onClick={copy}
                >
                  <Icon name={copied ? "check" : "copy"} size={16} />
                </ActionIcon>
              )}
            </CopyButton>
          </Group>
          <Group gap="xs">
            <State tone={tone}>{word}</State>
            {of.password && <State tone="plain">password</State>}
            {of.tags?.map((tag) => <Badge key={tag} variant="outline" color="gray" tt="none">{tag}</Badge>)}
          </Group>
          <Group gap="xs">
            <QrDownloads code={of.code} url={of.url} />
            <For role="operator">
              <Actions of={of} />
            </For>
          </Group>
        </Stack>
      </Group>
    </Paper>
  );
}

function Actions({ of }: { of: Link }) {
  const ask = useAsk();
  const back = async () => {
    await callFunction(`deeplinks/${of.code}`, { method: "PATCH", body: { state: of.state } });
    return `Undone: link ${of.code} is ${
      of.state === "active" ? "on" : of.state === "disabled" ? "off" : "deleted"
    } again.`;
  };
  const change = useChange({
    act: (state: "active" | "disabled") =>
      callFunction<Link>(`deeplinks/${of.code}`, { method: "PATCH", body: { state } }),
    touches: ["links"],
    foresee: (state) => [{
      key: ["links", "one", of.code],
      data: (before) => ({ ...before as Link, state }),
    }],
    said: (_, state) => state === "active" ? "The link is on." : "The link is off.",
    undo: (_, state) => of.state === state || of.state === "blocked" ? undefined : back,
  });
  const remove = useChange({
    act: () => callFunction<null>(`deeplinks/${of.code}`, { method: "DELETE" }),
    touches: ["links"],
    said: () => `Link ${of.code} was deleted. To restore it, choose the state Deleted in the list.`,
    undo: () => of.state === "blocked" ? undefined : back,
  });
  if (of.state === "deleted") {
    return <Button size="xs" onClick={() => change.mutate("active")}>Restore</Button>;
  }
  return (
    <>
      <Button
        component={To}
        href={`/links/at/${of.code}/change`}
        size="xs"
        leftSection={<Icon name="edit" size={16} />}
      >
        Change
      </Button>
      {of.state === "active"
        ? (
          <Button
            size="xs"
            variant="default"
            onClick={async () => {
              const answer = await ask({
                title: `Turn off link ${of.code}?`,
                body: "Visitors see that the link is not available. You can turn it on again.",
                action: "Turn off",
                reason: "none",
              });
              if (answer) change.mutate("disabled");
            }}
          >
            Turn off
          </Button>
        )
        : <Button size="xs" variant="default" onClick={() => change.mutate("active")}>Turn on</Button>}
      <Button
        size="xs"
        variant="default"
        c="red"
        onClick={async () => {
          const answer = await ask({
            title: `Delete link ${of.code}?`,
            body: "It can be restored. The code is never reused. Statistics are kept.",
            action: "Delete",
            danger: true,
            reason: "none",
            type: of.code,
          });
          if (answer) remove.mutate(undefined, { onSuccess: () => navigate("/links", { replace: true }) });
        }}
      >
        Delete
      </Button>
    </>
  );
}

function Leads({ of }: { of: Link }) {
  const nameOf = useNames();
  const numbers = useRows(
    ["wa_numbers"],
    (db) => db.from("wa_numbers").select("id,display_number").limit(MAX_ROWS),
    {
      every: false,
    },
  );
  const rules = of.targets ?? [];
  const facts = factsOf(of);
  return (
    <Stack gap="xs">
      <Title order={2} size="h4">Targets</Title>
      <Table withTableBorder layout="fixed">
        <Table.Tbody>
          {rules.map((target, index) => (
            <Row key={index} name={whenWords(target.when)}>{targetWords(target, numbers.data)}</Row>
          ))}
          <Row name={rules.length > 0 ? "everybody else" : "everybody"}>{placeWords(of, numbers.data)}</Row>
          {of.whatsapp && of.default_url && <Row name="if chats are off">{of.default_url}</Row>}
        </Table.Tbody>
      </Table>
      {facts.length > 0 && (
        <Table withTableBorder layout="fixed" aria-label="Settings">
          <Table.Tbody>
            {facts.map(({ name, label, at, text }) => (
              <Row key={name} name={label}>{at === undefined ? text : <Time at={at} as="date" />}</Row>
            ))}
          </Table.Tbody>
        </Table>
      )}
      <Text size="sm" c="dimmed" component="div">
        Created by {nameOf(of.created_by)} <Time at={of.created_at} />
        {of.version > 1 && (
          <>
            , changed by {nameOf(of.updated_by)} <Time at={of.updated_at} />
          </>
        )}.
      </Text>
    </Stack>
  );
}

function Row({ name, children }: { name: string; children: ReactNode }) {
  return (
    <Table.Tr>
      <Table.Th w="38%" fw={500} style={{ overflowWrap: "anywhere" }}>{name}</Table.Th>
      <Table.Td style={{ overflowWrap: "anywhere", whiteSpace: "pre-line" }}>{children}</Table.Td>
    </Table.Tr>
  );
}
