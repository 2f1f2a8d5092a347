/** Routes: which messages go to which service. */
import { Button, Drawer, SegmentedControl, Stack } from "@mantine/core";
import { For, useMay } from "../../session/me.tsx";
import { useLivePages } from "../../data/pages.ts";
import { ListTools } from "../../session/ListTools.tsx";
import { useParameter } from "../../ui/location.ts";
import { Example } from "../../ui/Example.tsx";
import { Icon } from "../../ui/icons.tsx";
import { Page } from "../../ui/Page.tsx";
import { SearchField } from "../../ui/SearchField.tsx";
import { Empty, Loaded, LoadedPages } from "../../ui/states.tsx";
import { routePages, useDestinations, useRoute } from "./data.ts";
import { RouteEditor } from "./RouteEditor.tsx";
import { RouteList } from "./RouteList.tsx";
import { TryMessage } from "./TryMessage.tsx";

export default function Routes() {
  const [edited, setEdited] = useParameter("edit");
  const [search, setSearch] = useParameter("q");
  const [state, setState] = useParameter("state", "all");
  const source = routePages({
    ...(search && { search }),
    ...(state !== "all" && { active: state === "on" }),
  });
  const routes = useLivePages(source);
  const may = useMay("operator");
  const isFiltered = search !== "" || state !== "all";
  const { items } = routes;
  return (
    <Page
      title="Routes"
      about={`Evaluated from top to bottom; the first route that matches takes the message. Changes take effect within 5 seconds.${
        may ? "" : " Only operators can see routes for phone numbers of people."
      }`}
      actions={
        <For role="operator">
          <Button leftSection={<Icon name="plus" size={16} />} onClick={() => setEdited("new")}>
            New route
          </Button>
        </For>
      }
    >
      <Stack gap="xl">
        {(isFiltered || (items?.length ?? 0) > 0) && (
          <ListTools name="routes" source={source}>
            <SearchField label="Search routes" value={search} onChange={setSearch} />
            <SegmentedControl
              aria-label="State"
              value={state}
              onChange={setState}
              data={[{ value: "all", label: "All" }, { value: "on", label: "On" }, {
                value: "off",
                label: "Off",
              }]}
            />
          </ListTools>
        )}
        <LoadedPages
          of={routes}
          rows={5}
          empty={isFiltered
            ? (
              <Empty
                icon="search"
                title={search ? `No routes match “${search}”` : `No routes are ${state}`}
                action={
                  <Button variant="default" onClick={() => (setSearch(""), setState("all"))}>
                    Clear search
                  </Button>
                }
              />
            )
            : (
              <Empty icon="route" title="No routes yet">
                Without a route, messages are stored but not delivered. Add a destination under Deliveries,
                then a route to it.
                <Example command={`gatelink routes add --to orders --when '{"type":"any"}'`} />
              </Empty>
            )}
        >
          {() => <RouteList routes={routes} edit={setEdited} />}
        </LoadedPages>
        {items !== undefined && (items.length > 0 || isFiltered) && <TryMessage />}
      </Stack>
      <Edited id={edited} close={() => setEdited("")} />
    </Page>
  );
}

/** The editor of one route, or of a new one. */
function Edited({ id, close }: { id: string; close: () => void }) {
  const may = useMay("operator");
  const isNew = id === "new";
  const route = useRoute(isNew ? "" : id);
  const destinations = useDestinations(id !== "");
  const names = destinations.data?.map(({ name }) => name) ?? [];
  return (
    <Drawer
      opened={id !== ""}
      onClose={close}
      position="right"
      size="lg"
      title={isNew ? "New route" : route.data?.name ?? "Route"}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      {isNew
        ? may
          ? <RouteEditor key="new" route={undefined} destinations={names} close={close} />
          : (
            <Empty icon="route" title="Only operators can create routes">
              Ask an admin of your team for the role.
            </Empty>
          )
        : id !== "" && (
          <Loaded of={route}>
            {(route) =>
              route?.id === id
                ? <RouteEditor key={id} route={route} destinations={names} close={close} />
                : <Empty icon="route" title="Route not found">It may have been removed.</Empty>}
          </Loaded>
        )}
    </Drawer>
  );
}
