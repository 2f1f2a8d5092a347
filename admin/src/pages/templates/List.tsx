/** All templates, by name. */
import { Alert, Anchor, Button, Group, Paper, Text } from "@mantine/core";
import { Link } from "wouter";
import type { Template } from "../../../../supabase/functions/_shared/contract/answers/templates.ts";
import type { TemplatesSynced } from "../../../../supabase/functions/_shared/contract/http/templates.ts";
import { callFunction } from "../../data/functions.ts";
import { type LivePagesOptions, useLivePages } from "../../data/pages.ts";
import { rpc, useChange } from "../../data/query.ts";
import { TEMPLATES_CHANGED, useTemplates } from "../../data/templates.ts";
import { ListTools } from "../../session/ListTools.tsx";
import { For } from "../../session/me.tsx";
import { Example } from "../../ui/Example.tsx";
import { Icon } from "../../ui/icons.tsx";
import { useParameter } from "../../ui/location.ts";
import { Page } from "../../ui/Page.tsx";
import { SearchField } from "../../ui/SearchField.tsx";
import { State } from "../../ui/State.tsx";
import { Empty, LoadedPages } from "../../ui/states.tsx";
import { Time } from "../../ui/Time.tsx";
import { VirtualList } from "../../ui/VirtualList.tsx";
import { Status } from "./parts.tsx";
import classes from "./templates.module.css";

/** Templates of a page. */
const PAGE = 100;

export function TemplateList() {
  const [search, setSearch] = useParameter("q");
  const source: LivePagesOptions<Template> = {
    key: ["list_templates", { search }],
    read: async (last) => {
      const { templates } = await rpc("list_templates", {
        p_filter: {
          ...(search && { search }),
          ...(last && { after: { name: last.name, language: last.language, account: last.account } }),
        },
        p_limit: PAGE,
      });
      return templates;
    },
    size: PAGE,
  };
  const templates = useLivePages(source);
  const accounts = useTemplates({}, 0);
  const sync = useChange({
    act: () =>
      callFunction<TemplatesSynced>("wa-router/templates/sync", { method: "POST", body: { all: true } }),
    touches: TEMPLATES_CHANGED,
    said: () => "The templates were fetched.",
  });
  return (
    <Page
      title="Templates"
      about="What WhatsApp sends outside the 24-hour window: reviewed by Meta, filled in for each person."
      actions={
        <For role="operator">
          <Group gap="xs">
            <Button variant="default" loading={sync.isPending} onClick={() => sync.mutate(undefined)}>
              Fetch from Meta
            </Button>
            <Button component={Link} href="/templates/new" leftSection={<Icon name="plus" size={16} />}>
              New template
            </Button>
          </Group>
        </For>
      }
    >
      {accounts.data?.syncs.filter(({ error }) => error !== null).map(({ account, account_name, error }) => (
        <Alert
          key={account}
          color="red"
          mb="sm"
          title={`Templates of ${account_name ?? account} could not be fetched`}
        >
          {error}
        </Alert>
      ))}
      {(search !== "" || templates.hasMore || (templates.items?.length ?? 0) > 10) && (
        <ListTools name="templates" source={source}>
          <SearchField label="Search templates" value={search} onChange={setSearch} />
        </ListTools>
      )}
      <LoadedPages
        of={templates}
        empty={search
          ? <Empty icon="search" title={`No templates match “${search}”`} />
          : (
            <Empty icon="chat" title="No templates yet">
              They are fetched within a minute after the first webhook of a number.
              <Example command="gatelink templates sync" />
            </Empty>
          )}
      >
        {(items) => (
          <Paper withBorder radius="md">
            <VirtualList
              label="Templates"
              className={classes.list}
              items={items}
              idOf={({ account, name, language }) => `${account} ${name} ${language}`}
              height={70}
              hasMore={templates.hasMore}
              reading={templates.reading}
              more={templates.more}
            >
              {(one) => <Row of={one} />}
            </VirtualList>
          </Paper>
        )}
      </LoadedPages>
    </Page>
  );
}

function Row({ of: one }: { of: Template }) {
  return (
    <Group justify="space-between" align="flex-start" gap="sm">
      <div style={{ minWidth: 0 }}>
        <Anchor
          component={Link}
          href={`/templates/${one.account}/${one.name}/${one.language}`}
          fw={600}
          className={classes.words}
        >
          {one.name} ({one.language})
        </Anchor>
        <Text size="sm" c="dimmed" component="div" className={classes.words}>
          {one.category ?? "no category"}, account {one.account_name ?? one.account}
          {one.synced_at && (
            <>
              , fetched <Time at={one.synced_at} />
            </>
          )}
        </Text>
      </div>
      <Group gap="xs">
        {(one.quality === "red" || one.quality === "yellow") && (
          <State tone={one.quality === "red" ? "bad" : "warn"}>quality {one.quality}</State>
        )}
        <Status of={one} />
      </Group>
    </Group>
  );
}
