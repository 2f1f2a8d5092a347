/** The routes in order. Drag to reorder, or use buttons with a keyboard or on a phone. */
import { ActionIcon, Group, Paper, Stack, Text, UnstyledButton } from "@mantine/core";
import { type DragEvent, useState } from "react";
import { describe } from "../../../../supabase/functions/_shared/routing/describe.ts";
import { rpc, useChange } from "../../data/query.ts";
import { useMay } from "../../session/me.tsx";
import { Icon } from "../../ui/icons.tsx";
import { inOrder, isFallback } from "./data.ts";
import type { Route, WholeRoute } from "./types.ts";
import classes from "./routes.module.css";
import { State } from "../../ui/State.tsx";

interface Move {
  route: WholeRoute;
  /** null moves it to the end. */
  before: WholeRoute | null;
}

/** The new order, with priorities that only this page sees. */
function moved(rows: Route[], { route, before }: Move): Route[] {
  const others = inOrder(rows).filter(({ id }) => id !== route.id);
  const same = others.filter((one) => isFallback(one) === isFallback(route));
  const place = before ? same.findIndex(({ id }) => id === before.id) : same.length;
  same.splice(place, 0, rows.find(({ id }) => id === route.id)!);
  const places = new Map(same.map(({ id }, index) => [id, index]));
  return rows.map((row) => places.has(row.id) ? { ...row, priority: places.get(row.id)! } : row);
}

export function RouteList({ routes, edit }: { routes: WholeRoute[]; edit: (id: string) => void }) {
  const may = useMay("operator");
  const [dragged, setDragged] = useState<WholeRoute>();
  const [over, setOver] = useState<string>();
  const move = useChange({
    act: ({ route, before }: Move) =>
      rpc("move_route", { p_id: route.id, p_version: route.version, p_before: before?.id ?? null }),
    touches: ["routes", "route_history"],
    foresee: (args) => [{ key: ["routes"], data: (before) => moved(before as Route[], args) }],
  });
  const drop = (event: DragEvent, target: WholeRoute) => {
    event.preventDefault();
    setOver(undefined);
    setDragged(undefined);
    if (!dragged || dragged.id === target.id || isFallback(dragged) !== isFallback(target)) return;
    // Dropped on a route further down, it goes after that one, as expected visually.
    const down = routes.indexOf(dragged) < routes.indexOf(target);
    const group = routes.filter((route) => isFallback(route) === isFallback(dragged));
    move.mutate({ route: dragged, before: down ? group[group.indexOf(target) + 1] ?? null : target });
  };
  return (
    <Stack
      component="ol"
      gap={6}
      p={0}
      m={0}
      style={{ listStyle: "none" }}
      aria-label="Routes in order of evaluation"
    >
      {routes.map((route, index) => {
        const group = routes.filter((one) => isFallback(one) === isFallback(route));
        const place = group.indexOf(route);
        return (
          <Paper
            key={route.id}
            component="li"
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
              <Text c="dimmed" size="sm" w={20} ta="right">{index + 1}</Text>
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
                    disabled={place === 0 || move.isPending}
                    onClick={() => move.mutate({ route, before: group[place - 1] })}
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
                    disabled={place === group.length - 1 || move.isPending}
                    onClick={() => move.mutate({ route, before: group[place + 2] ?? null })}
                  >
                    <span className={classes.down}>
                      <Icon name="next" size={18} />
                    </span>
                  </ActionIcon>
                </Group>
              )}
            </Group>
          </Paper>
        );
      })}
    </Stack>
  );
}

/** The condition in words; an unusable one is shown as stored. */
export function inWords({ condition, fault }: Pick<WholeRoute, "condition" | "fault">): string {
  return fault === undefined ? describe(condition) : JSON.stringify(condition);
}
