/** One link: its address and QR code, where it leads, and what came of it. */
import {
  ActionIcon,
  Anchor,
  Badge,
  Button,
  CopyButton,
  Group,
  Paper,
  SimpleGrid,
  Stack,
  Table,
  Text,
  Title,
} from "@mantine/core";
import { Link as To } from "wouter";
import { callFunction } from "../../data/functions.ts";
import { useChange, useRead, useRows } from "../../data/query.ts";
import { useNames } from "../../data/team.ts";
import { For } from "../../session/me.tsx";
import { navigate } from "../../shell/location.ts";
import { useAsk } from "../../ui/ask.tsx";
import { Icon } from "../../ui/icons.tsx";
import { Page } from "../../ui/Page.tsx";
import { Empty, Loaded } from "../../ui/states.tsx";
import { Time } from "../../ui/Time.tsx";
import { Figures } from "./Figures.tsx";
import { QrCode, QrDownloads } from "./QrCode.tsx";
import type { Link, WaNumber } from "./types.ts";
import { placeWords, targetWords, whenWords } from "./words.ts";

export function LinkView({ code }: { code: string }) {
  const link = useRead(["links", "one", code], async () => {
    const { links } = await callFunction<{ links: Link[] }>(`deeplinks?code=${encodeURIComponent(code)}`);
    return links[0] ?? null;
  });
  return (
    <Page title={`Link ${code}`} back={<Anchor component={To} size="sm" href="/links">All links</Anchor>}>
      <Loaded of={link}>
        {(link) =>
          link
            ? (
              <Stack gap="xl">
                <Address of={link} />
                <Leads of={link} />
                <Figures code={link.code} />
              </Stack>
            )
            : (
              <Empty icon="link" title="There is no such link">
                It may have been deleted; its code is never given to another one.
              </Empty>
            )}
      </Loaded>
    </Page>
  );
}

function Address({ of }: { of: Link }) {
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
                  aria-label={copied ? "Copied" : "Copy the address"}
                  onClick={copy}
                >
                  <Icon name={copied ? "check" : "copy"} size={16} />
                </ActionIcon>
              )}
            </CopyButton>
          </Group>
          <Group gap="xs">
            <Badge
              color={of.state === "active" ? "green" : of.state === "blocked" ? "red" : "gray"}
              variant="light"
            >
              {of.state}
            </Badge>
            {of.password && <Badge variant="light" color="gray">password</Badge>}
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
  const change = useChange({
    act: (state: "active" | "disabled") =>
      callFunction<Link>(`deeplinks/${of.code}`, { method: "PATCH", body: { state } }),
    touches: ["links"],
    foresee: (state) => [{
      key: ["links", "one", of.code],
      data: (before) => ({ ...before as Link, state }),
    }],
    said: (_, state) => state === "active" ? "The link works again." : "The link is off.",
  });
  const remove = useChange({
    act: () => callFunction<null>(`deeplinks/${of.code}`, { method: "DELETE" }),
    touches: ["links"],
    said: () => `The link ${of.code} is deleted.`,
  });
  return (
    <>
      {of.state === "active"
        ? (
          <Button
            size="xs"
            variant="default"
            onClick={async () => {
              const answer = await ask({
                title: `Turn off the link ${of.code}?`,
                body: "Visitors are told that it cannot be used. It can be turned on again.",
                action: "Turn off",
                reason: "none",
              });
              if (answer) change.mutate("disabled");
            }}
          >
            Turn off
          </Button>
        )
        : of.state === "disabled" && (
          <Button size="xs" onClick={() => change.mutate("active")}>Turn on</Button>
        )}
      <Button
        size="xs"
        variant="default"
        c="red"
        onClick={async () => {
          const answer = await ask({
            title: `Delete the link ${of.code}?`,
            body:
              "It cannot be undone, and no other link gets this code. Clicks and conversations stay counted.",
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
  const numbers = useRows<WaNumber>(
    ["wa_numbers"],
    (db) => db.from("wa_numbers").select("id,display_number"),
    {
      every: false,
    },
  );
  const limits = [
    of.max_uses !== undefined && `${of.uses} of ${of.max_uses} uses taken`,
    of.flag_key && `under the flag ${of.flag_key}`,
    of.utm?.campaign && `campaign ${of.utm.campaign}`,
    of.external_id && `external id ${of.external_id}`,
  ].filter(Boolean).join(", ");
  return (
    <SimpleGrid cols={1} spacing="xs">
      <Title order={2} size="h4">Where it leads</Title>
      <Table withTableBorder>
        <Table.Tbody>
          {of.targets?.map((target, index) => (
            <Table.Tr key={index}>
              <Table.Th w={180}>{whenWords(target.when)}</Table.Th>
              <Table.Td style={{ overflowWrap: "anywhere" }}>{targetWords(target, numbers.data)}</Table.Td>
            </Table.Tr>
          ))}
          <Table.Tr>
            <Table.Th w={180}>{(of.targets?.length ?? 0) > 0 ? "otherwise" : "everybody"}</Table.Th>
            <Table.Td style={{ overflowWrap: "anywhere" }}>{placeWords(of, numbers.data)}</Table.Td>
          </Table.Tr>
        </Table.Tbody>
      </Table>
      <Text size="sm" c="dimmed" component="div">
        Made by {nameOf(of.created_by)} <Time at={of.created_at} />
        {limits && `; ${limits}`}
        {of.expires_at && (
          <>
            ; ends <Time at={of.expires_at} as="date" />
          </>
        )}.
      </Text>
    </SimpleGrid>
  );
}
