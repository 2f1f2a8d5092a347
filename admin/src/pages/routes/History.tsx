/** The versions of a route, each with a button to restore it. */
import { Button, Group, Paper, Stack, Text, Title } from "@mantine/core";
import type { Row } from "../../../../supabase/functions/_shared/contract/sql.ts";
import { client } from "../../data/client.ts";
import { usePages } from "../../data/pages.ts";
import { unwrap } from "../../data/query.ts";
import { useNames } from "../../session/team.ts";
import { For } from "../../session/me.tsx";
import { useAsk } from "../../ui/ask.tsx";
import { LoadedPages } from "../../ui/states.tsx";
import { Time } from "../../ui/Time.tsx";
import { read } from "./data.ts";
import type { Changes, Route, WholeRoute } from "./types.ts";
import { inWords } from "./RouteList.tsx";

/** Versions of a page. */
const PAGE = 20;

export function History({ route, restore }: { route: WholeRoute; restore: (changes: Changes) => void }) {
  const ask = useAsk();
  const nameOf = useNames();
  const history = usePages<Row<"route_history">>({
    key: ["route_history", route.id],
    read: (last) => {
      const rows = client().from("route_history").select("*").eq("route_id", route.id)
        .order("version", { ascending: false }).limit(PAGE);
      return unwrap(last ? rows.lt("version", last.version) : rows);
    },
    size: PAGE,
    idOf: ({ version }) => String(version),
  });
  return (
    <section>
      <Title order={3} size="h5" mb="xs">Versions</Title>
      <LoadedPages of={history} rows={2} empty={<Text size="sm" c="dimmed">No changes yet.</Text>}>
        {(versions) => (
          <Stack gap={6}>
            {versions.map(read).map((version) => (
              <Paper key={version.version} withBorder p="xs">
                <Group justify="space-between" wrap="nowrap" align="flex-start">
                  <div style={{ minWidth: 0 }}>
                    <Text size="sm" fw={600}>
                      {version.version}. {version.name}
                      {!version.active && " (off)"}
                    </Text>
                    <Text size="sm" style={{ overflowWrap: "anywhere" }}>
                      {inWords(version)} → {version.destinations.join(", ")}, priority {version.priority}
                    </Text>
                    <Text size="xs" c="dimmed" component="div">
                      {nameOf(version.changed_by)}, <Time at={version.changed_at} />
                    </Text>
                  </div>
                  {version.version !== route.version && (
                    <For role="operator">
                      <Button
                        size="xs"
                        variant="default"
                        aria-label={`Restore version ${version.version}`}
                        onClick={async () => {
                          const answer = await ask({
                            title: `Restore version ${version.version}?`,
                            body:
                              "Restores everything except the route's position. This creates a new version.",
                            action: "Restore",
                            reason: "none",
                          });
                          if (!answer) return;
                          const {
                            name,
                            condition,
                            mode,
                            destinations,
                            flag_key,
                            sticky_minutes,
                            active,
                            channels,
                          } = version;
                          restore({
                            name,
                            condition,
                            // The mode was checked when the route had it.
                            mode: mode as Route["mode"],
                            destinations,
                            flag_key,
                            sticky_minutes,
                            active,
                            channels,
                          });
                        }}
                      >
                        Restore
                      </Button>
                    </For>
                  )}
                </Group>
              </Paper>
            ))}
            {history.hasMore && (
              <Button size="xs" variant="default" loading={history.reading} onClick={history.more}>
                Show more
              </Button>
            )}
          </Stack>
        )}
      </LoadedPages>
    </section>
  );
}
