/** The routes in order. Drag to reorder, or use buttons with a keyboard or on a phone. */
import { ActionIcon, Group, Paper, Text, UnstyledButton } from "@mantine/core";
import { type DragEvent, useState } from "react";
import { describe } from "../../../../supabase/functions/_shared/routing/describe.ts";
import type { Pages } from "../../data/pages.ts";
import { rpc, useChange } from "../../data/query.ts";
import { useMay } from "../../session/me.tsx";
import { Icon } from "../../ui/icons.tsx";
import { isFallback } from "./data.ts";
import type { PlacedRoute, WholeRoute } from "./types.ts";
import classes from "./routes.module.css";
import { State } from "../../ui/State.tsx";
import { VirtualList } from "../../ui/VirtualList.tsx";

interface Move {
  route: PlacedRoute;
  /** Id of the route that it goes before; null moves it to the end. */
  before: string | null;
}

/** The loaded pages with the route moved, as far as they reach. */
function moved(data: unknown, { route, before }: Move): unknown {
  if (data === null || typeof data !== "object" || !("pages" in data)) return data;
  const { pages, ...rest } = data as { pages: PlacedRoute[][] };
  const routes = pages.flat().filter(({ id }) => id !== route.id);
  const next = before === null
    ? routes.findIndex((one) => isFallback(one) && !isFallback(route))
    : routes.findIndex(({ id }) => id === before);
  routes.splice(next < 0 ? routes.length : next, 0, route);
  let taken = 0;
  return { ...rest, pages: pages.map(({ length }) => routes.slice(taken, taken += length)) };
}

export function RouteList({ routes, edit }: { routes: Pages<PlacedRoute>; edit: (id: string) => void }) {
  const may = useMay("operator");
  const [dragged, setDragged] = useState<PlacedRoute>();
  const [over, setOver] = useState<string>();
  const move = useChange({
    act: ({ route, before }: Move) =>
      rpc("move_route", { p_id: route.id, p_version: route.version, p_before: before }),
    touches: ["routes", "route_history"],
    foresee: (args) => [{ key: ["routes", "list"], data: (before) => moved(before, args) }],
  });
  const drop = (event: DragEvent, target: PlacedRoute) => {
    event.preventDefault();
    setOver(undefined);
    setDragged(undefined);
    if (!dragged || dragged.id === target.id || isFallback(dragged) !== isFallback(target)) return;
    // Dropped on a route further down, it goes after that one, as expected visually.
    move.mutate({ route: dragged, before: dragged.place < target.place ? target.below : target.id });
  };
  return (
    <VirtualList
      label="Routes in order of evaluation"
      ordered
      items={routes.items ?? []}
      idOf={({ id }) => id}
      height={84}
      gap={6}
      hasMore={routes.hasMore}
      reading={routes.reading}
      more={routes.more}
    >
      {(route) => (
        <Paper
          withBorder
          p="sm"
          className={classes.route}
          data-over={over === route.id && dragged !== undefined && dragged.id !== route.id || undefined}
          data-off={!route.active || undefined}
          draggable={may}
          onDragStart={(event: DragEvent) => {
            event.dataTransfer.effectAllowed = "move";
            event.dataTransfer.setData("text/plain", route.name);
            setDragged(route);
          }}
          onDragEnd={() => (setDragged(undefined), setOver(undefined))}
          onDragOver={(event: DragEvent) => {
            if (!dragged || isFallback(dragged) !== isFallback(route)) return;
            event.preventDefault();
            setOver(route.id);
          }}
          onDrop={(event: DragEvent) => drop(event, route)}
        >
          <Group wrap="nowrap" gap="sm">
            {may && (
              <Text c="dimmed" className={classes.handle} component="span">
                <Icon name="drag" />
              </Text>
            )}
            <Text c="dimmed" size="sm" miw={20} ta="right">{route.place}</Text>
            <UnstyledButton className={classes.open} onClick={() => edit(route.id)}>
              <Group gap="xs">
                <Text fw={600} size="sm" style={{ overflowWrap: "anywhere" }}>{route.name}</Text>
                {!route.active && <State size="xs" tone="plain">off</State>}
                {route.fault && <State size="xs" tone="bad">invalid</State>}
                {isFallback(route) && <State size="xs" tone="info">fallback</State>}
                {route.channels.join() !== "whatsapp" && (
                  <State size="xs" tone="plain" asWritten>
                    over {route.channels.join(", ")}
                  </State>
                )}
                {route.flag_key && <State size="xs" tone="plain" asWritten>flag {route.flag_key}</State>}
                {route.sticky_minutes && (
                  <State size="xs" tone="plain" asWritten>
                    stays {route.sticky_minutes} min
                  </State>
                )}
              </Group>
              <Text size="sm" style={{ overflowWrap: "anywhere" }}>{inWords(route)}</Text>
              <Text size="xs" c="dimmed">
                → {route.destinations.join(route.mode === "all" ? " and " : ", else ") || "no destination"}
              </Text>
            </UnstyledButton>
            {may && (
              <Group gap={0} wrap="nowrap">
                <ActionIcon
                  variant="subtle"
                  color="gray"
                  size="lg"
                  aria-label={`Move ${route.name} up`}
                  disabled={route.above === null || move.isPending}
                  onClick={() => move.mutate({ route, before: route.above })}
                >
                  <span className={classes.up}>
                    <Icon name="next" size={18} />
                  </span>
                </ActionIcon>
                <ActionIcon
                  variant="subtle"
                  color="gray"
                  size="lg"
                  aria-label={`Move ${route.name} down`}
                  disabled={route.below === null || move.isPending}
                  onClick={() => move.mutate({ route, before: route.beyond })}
                >
                  <span className={classes.down}>
                    <Icon name="next" size={18} />
                  </span>
                </ActionIcon>
              </Group>
            )}
          </Group>
        </Paper>
      )}
    </VirtualList>
  );
}

/** The condition in words; an unusable one is shown as stored. */
export function inWords({ condition, fault }: Pick<WholeRoute, "condition" | "fault">): string {
  return fault === undefined ? describe(condition) : JSON.stringify(condition);
}
