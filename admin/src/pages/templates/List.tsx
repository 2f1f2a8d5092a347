/** All templates, by name. */
import { Alert, Anchor, Button, Group, Paper, Text } from "@mantine/core";
import { Link } from "wouter";
import type { TemplatesSynced } from "../../../../supabase/functions/_shared/contract/http/templates.ts";
import { callFunction } from "../../data/functions.ts";
import { useChange } from "../../data/query.ts";
import { TEMPLATES_CHANGED, useTemplates } from "../../data/templates.ts";
import { For } from "../../session/me.tsx";
import { Example } from "../../ui/Example.tsx";
import { Icon } from "../../ui/icons.tsx";
import { Page } from "../../ui/Page.tsx";
import { State } from "../../ui/State.tsx";
import { Empty, Loaded } from "../../ui/states.tsx";
import { Time } from "../../ui/Time.tsx";
import { Status } from "./parts.tsx";
import classes from "./templates.module.css";

export function TemplateList() {
  const all = useTemplates();
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
      <Loaded of={all}>
        {({ templates, syncs }) => (
          <>
            {syncs.filter(({ error }) => error !== null).map(({ account, account_name, error }) => (
              <Alert
                key={account}
                color="red"
                mb="sm"
                title={`Templates of ${account_name ?? account} could not be fetched`}
              >
                {error}
              </Alert>
            ))}
            {templates.length === 0
              ? (
                <Empty icon="chat" title="No templates yet">
                  They are fetched within a minute after the first webhook of a number.
                  <Example command="gatelink templates sync" />
                </Empty>
              )
              : (
                <Paper component="ul" withBorder radius="md" className={classes.list} aria-label="Templates">
                  {templates.map((one) => (
                    <li key={`${one.account} ${one.name} ${one.language}`}>
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
                    </li>
                  ))}
                </Paper>
              )}
          </>
        )}
      </Loaded>
    </Page>
  );
}
