/** The audit: all that people and the guard did, with the state before and after, and the way back. */
import { Button, Group, MultiSelect, Paper, Select, Stack, Text, TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { useState } from "react";
import type { AuditEntry } from "../../../../supabase/functions/_shared/contract/answers/audit.ts";
import { AUDIT_KINDS, auditInWords } from "../../../../supabase/functions/_shared/contract/words/audit.ts";
import { usePages } from "../../data/pages.ts";
import { rpc, useRpc } from "../../data/query.ts";
import { Refusal } from "../../data/refusal.ts";
import { toast } from "../../data/toasts.tsx";
import { useMay } from "../../session/me.tsx";
import { useNames } from "../../session/team.ts";
import { Icon } from "../../ui/icons.tsx";
import { useParameter } from "../../ui/location.ts";
import { Page } from "../../ui/Page.tsx";
import { Empty, Failed, Loading } from "../../ui/states.tsx";
import { Entry } from "./Entry.tsx";
import { type Filter, toCsv } from "./export.ts";
import classes from "./audit.module.css";

/** Entries of a page. */
const SIZE = 50;

const SPANS: readonly [value: string, label: string, hours: number][] = [
  ["1d", "Last 24 hours", 24],
  ["7d", "Last 7 days", 7 * 24],
  ["30d", "Last 30 days", 30 * 24],
];
/** Actors that are no people, as the histories name them. */
const KEYS = [{ value: "service_role", label: "a secret key" }, { value: "postgres", label: "the database" }];
/** What only admins see. */
const FOR_ADMINS: ReadonlySet<string> = new Set(["team", "allowlist"]);

export default function Audit() {
  const [kinds, setKinds] = useParameter("kinds");
  const [who, setWho] = useParameter("who");
  const [name, setName] = useParameter("name");
  const [span, setSpan] = useParameter("span");
  const isAdmin = useMay("admin");
  const team = useRpc("list_team", {}, { every: false });
  const [typed, setTyped] = useState(name);
  const search = useDebouncedCallback(setName, 300);
  const chosen = kinds.split(",").filter(Boolean);
  const filter: Filter = {
    ...(chosen.length > 0 ? { kinds: chosen } : {}),
    ...(who === "" ? {} : { who }),
    ...(name.trim() === "" ? {} : { name: name.trim() }),
  };
  return (
    <Page
      title="Audit"
      about="Everything that people and the guard changed, newest first."
      actions={<Export filter={filter} span={span} />}
    >
      <Group gap="sm" align="flex-end">
        <TextInput
          type="search"
          label="Name"
          placeholder="A flag, link, destination …"
          leftSection={<Icon name="search" size={16} />}
          value={typed}
          onChange={({ currentTarget: { value } }) => (setTyped(value), search(value))}
          w={{ base: "100%", sm: 220 }}
        />
        <MultiSelect
          label="What"
          placeholder={chosen.length === 0 ? "Everything" : undefined}
          data={Object.entries(AUDIT_KINDS).filter(([kind]) => isAdmin || !FOR_ADMINS.has(kind)).map((
            [value, label],
          ) => ({ value, label }))}
          value={chosen}
          onChange={(values) => setKinds(values.join(","))}
          clearable
          searchable
          w={{ base: "100%", sm: 240 }}
        />
        <Select
          label="Who"
          placeholder="Anybody"
          data={[
            ...(team.data ?? []).map(({ user_id, email }) => ({ value: user_id, label: email ?? user_id })),
            ...KEYS,
          ]}
          value={who || null}
          onChange={(value) => setWho(value ?? "")}
          clearable
          searchable
          w={{ base: "100%", sm: 220 }}
        />
        <Select
          label="When"
          placeholder="Any time"
          data={SPANS.map(([value, label]) => ({ value, label }))}
          value={span || null}
          onChange={(value) => setSpan(value ?? "")}
          clearable
          w={{ base: "100%", sm: 160 }}
        />
      </Group>
      <List key={JSON.stringify([filter, span])} filter={filter} span={span} />
    </Page>
  );
}

/** The instant from which a span of time begins, so that each page is read from the same one. */
const sinceOf = (span: string): string | undefined => {
  const hours = SPANS.find(([value]) => value === span)?.[2];
  return hours === undefined ? undefined : new Date(Date.now() - hours * 3_600_000).toISOString();
};

function List({ filter, span }: { filter: Filter; span: string }) {
  const [since] = useState(() => sinceOf(span));
  const pages = usePages<AuditEntry>({
    key: ["list_audit", filter, span],
    read: (after) =>
      rpc("list_audit", {
        p_filter: { ...filter, since, ...(after && { before: after.at, before_id: after.id }) },
        p_limit: SIZE,
      }),
    size: SIZE,
    idOf: ({ id }) => id,
  });
  const nameOf = useNames();
  if (pages.items === undefined) {
    return pages.error ? <Failed error={pages.error} retry={pages.retry} /> : <Loading rows={8} />;
  }
  if (pages.items.length === 0) {
    return <Empty icon="clock" title="No changes match">Choose another person, thing or time.</Empty>;
  }
  return (
    <Stack gap="sm">
      <Paper withBorder radius="md" component="ol" className={classes.list} aria-label="Changes">
        {pages.items.map((entry) => <Entry key={entry.id} of={entry} nameOf={nameOf} />)}
      </Paper>
      {pages.hasMore
        ? <Button variant="default" loading={pages.reading} onClick={pages.more}>Show older changes</Button>
        : <Text size="sm" c="dimmed" ta="center">No older changes.</Text>}
    </Stack>
  );
}

function Export({ filter, span }: { filter: Filter; span: string }) {
  const nameOf = useNames();
  const [n, setN] = useState<number>();
  const save = async () => {
    setN(0);
    try {
      await toCsv({ ...filter, since: sinceOf(span) }, nameOf, auditInWords, setN);
    } catch (error) {
      const { message, hint } = error as Refusal;
      toast({ tone: "bad", title: "Not exported", message: [message, hint].filter(Boolean).join(" ") });
    }
    setN(undefined);
  };
  return (
    <Button
      variant="default"
      leftSection={<Icon name="download" size={16} />}
      disabled={n !== undefined}
      onClick={() => void save()}
    >
      {n === undefined ? "Export CSV" : `Exporting, ${n.toLocaleString()} …`}
    </Button>
  );
}
