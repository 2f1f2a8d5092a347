/** What needs somebody, on every page: its number, and a list that leads to where each is done. */
import { Anchor, Group, Popover, Text, UnstyledButton } from "@mantine/core";
import { useState } from "react";
import { Link } from "wouter";
import type { AttentionItem } from "../../../supabase/functions/_shared/contract/answers/attention.ts";
import { attentionInWords } from "../../../supabase/functions/_shared/contract/words/attention.ts";
import { useRpc } from "../data/query.ts";
import { useMe } from "../session/me.tsx";
import { Icon, type IconName } from "../ui/icons.tsx";
import { Time } from "../ui/Time.tsx";
import { inZone } from "../ui/times.ts";
import classes from "./Bell.module.css";

/** Polling interval, in milliseconds: it asks as much as the overview does. */
const EVERY_MS = 20_000;

const HEALTH_PLACES: Readonly<Record<string, string>> = {
  queue: "/deliveries?tab=waiting",
  clock: "/",
  graph: "/messages",
  senders: "/settings?tab=numbers",
  config: "/routes",
  guard: "/rollouts",
};

const PLACES: Readonly<Record<AttentionItem["kind"], (id: string) => string>> = {
  incident: (number) => `/incidents/${number}`,
  destination: (name) => `/deliveries/at/${encodeURIComponent(name)}`,
  sender: () => "/settings?tab=numbers",
  health: (component) => HEALTH_PLACES[component] ?? "/",
  dead_letters: (name) => `/deliveries?tab=dead&destination=${encodeURIComponent(name)}`,
  unknown: () => "/mail?tab=unknown",
  signature: (id) => `/rollouts/${id}`,
  endpoint: () => "/settings?tab=notifications",
};

const ICONS: Readonly<Record<AttentionItem["kind"], IconName>> = {
  incident: "warn",
  destination: "truck",
  sender: "chat",
  health: "pulse",
  dead_letters: "truck",
  unknown: "mail",
  signature: "edit",
  endpoint: "megaphone",
};

export default function Bell() {
  const [opened, setOpened] = useState(false);
  const { approvals } = useMe();
  const { data } = useRpc("attention", {}, { every: EVERY_MS });
  const items = data ?? [];
  const urgent = items.some(({ urgent }) => urgent);
  const isMine = ({ kind, figures }: AttentionItem) =>
    kind === "signature" && (figures.roles as string[]).some((role) => approvals.includes(role));
  const label = data === undefined
    ? "Needs attention"
    : items.length === 0
    ? "Nothing needs attention"
    : `${items.length} ${items.length === 1 ? "thing needs" : "things need"} attention`;
  return (
    <Popover
      opened={opened}
      onChange={setOpened}
      position="bottom-end"
      shadow="md"
      width="min(400px, calc(100vw - 32px))"
      trapFocus
      returnFocus
      withinPortal
    >
      <Popover.Target>
        <UnstyledButton
          className={classes.bell}
          aria-label={label}
          title={label}
          onClick={() => setOpened((before) => !before)}
        >
          <Icon name="bell" />
          {items.length > 0 && (
            <span className={classes.count} data-urgent={urgent} aria-hidden="true">
              {items.length > 99 ? "99+" : items.length}
            </span>
          )}
        </UnstyledButton>
      </Popover.Target>
      <Popover.Dropdown p={0} aria-label={label}>
        {items.length === 0
          ? <Text size="sm" p="md" data-autofocus tabIndex={-1}>Nothing needs attention.</Text>
          : (
            <ul className={classes.list}>
              {items.map((item) => (
                <li key={`${item.kind} ${item.id} ${item.state}`}>
                  <Group gap="sm" wrap="nowrap" align="flex-start">
                    <Text span c={item.urgent ? "var(--bad)" : "dimmed"} lh={1} mt={2}>
                      <Icon name={ICONS[item.kind]} size={18} />
                    </Text>
                    <div style={{ minWidth: 0 }}>
                      <Anchor
                        component={Link}
                        href={PLACES[item.kind](item.id)}
                        size="sm"
                        underline="always"
                        style={{ overflowWrap: "anywhere" }}
                        onClick={() => setOpened(false)}
                      >
                        {inZone(attentionInWords(item))}
                      </Anchor>
                      <Text size="xs" c="dimmed" component="div">
                        {item.since && <Time at={item.since} />}
                        {isMine(item) && " You can sign."}
                      </Text>
                    </div>
                  </Group>
                </li>
              ))}
            </ul>
          )}
      </Popover.Dropdown>
    </Popover>
  );
}
