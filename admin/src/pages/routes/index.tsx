/** Routes: which messages go to which service. */
import { Button, Drawer, Stack } from "@mantine/core";
import { For, useMay } from "../../session/me.tsx";
import { useParameter } from "../../ui/location.ts";
import { Icon } from "../../ui/icons.tsx";
import { Page } from "../../ui/Page.tsx";
import { Empty, Failed, Loading } from "../../ui/states.tsx";
import { useRoutes } from "./data.ts";
import { RouteEditor } from "./RouteEditor.tsx";
import { RouteList } from "./RouteList.tsx";
import { TryMessage } from "./TryMessage.tsx";

export default function Routes() {
  const { routes, destinations, failed } = useRoutes();
  const [edited, setEdited] = useParameter("edit");
  const may = useMay("operator");
  const route = routes?.find(({ id }) => id === edited);
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
      {routes === undefined
        ? failed ? <Failed error={failed.error!} retry={failed.refetch} /> : <Loading rows={5} height={64} />
        : (
          <Stack gap="xl">
            {routes.length === 0
              ? (
                <Empty icon="route" title="No routes yet">
                  Without a route, messages are stored but not delivered. Add a destination under Deliveries,
                  then a route to it.
                </Empty>
              )
              : <RouteList routes={routes} edit={setEdited} />}
            <TryMessage routes={routes} destinations={destinations} />
          </Stack>
        )}
      <Drawer
        opened={edited !== "" && routes !== undefined}
        onClose={() => setEdited("")}
        position="right"
        size="lg"
        title={edited === "new" ? "New route" : route ? route.name : "Route"}
        closeButtonProps={{ "aria-label": "Close" }}
      >
        {edited === "new" && !may && (
          <Empty icon="route" title="Only operators can create routes">
            Ask an admin of your team for the role.
          </Empty>
        )}
        {edited !== "" && routes !== undefined && (edited !== "new" || may) && (edited === "new" || route
          ? (
            <RouteEditor
              key={edited}
              route={route}
              destinations={destinations.map(({ name }) => name)}
              close={() => setEdited("")}
            />
          )
          : <Empty icon="route" title="Route not found">It may have been removed.</Empty>)}
      </Drawer>
    </Page>
  );
}
