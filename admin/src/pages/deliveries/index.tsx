/** Deliveries to the team's services: the destinations, and what could not be delivered. */
import { Tabs } from "@mantine/core";
import { Route, Switch } from "wouter";
import { useRpc } from "../../data/query.ts";
import { useParameter } from "../../ui/location.ts";
import { NoSuchPage } from "../../ui/NoSuchPage.tsx";
import { Page } from "../../ui/Page.tsx";
import { State } from "../../ui/State.tsx";
import { TabStrip } from "../../ui/TabStrip.tsx";
import { StoryDrawer } from "../messages/StoryDrawer.tsx";
import { AddDestination } from "./AddDestination.tsx";
import { DeadLetters } from "./DeadLetters.tsx";
import { DestinationPage } from "./DestinationPage.tsx";
import { Destinations } from "./Destinations.tsx";
import { Waiting } from "./Waiting.tsx";

export default function Deliveries() {
  return (
    <Switch>
      <Route path="/deliveries" component={Overview} />
      <Route path="/deliveries/at/:name">{({ name }) => <DestinationPage key={name} name={name} />}</Route>
      <Route component={NoSuchPage} />
    </Switch>
  );
}

function Overview() {
  const [tab, setTab] = useParameter("tab", "destinations");
  const [named] = useParameter("destination");
  const [message, setMessage] = useParameter("message");
  const { data: status } = useRpc("status", {}, { every: 5_000 });
  const dead = status?.destinations.reduce((sum, { dead }) => sum + dead, 0) ?? 0;
  const names = status?.destinations.map(({ name }) => name) ?? [];
  return (
    <Page
      title="Deliveries"
      about="Your services and the deliveries to them. Deliveries that fail after all attempts become dead letters."
      actions={<AddDestination />}
    >
      <Tabs value={tab} onChange={(value) => setTab(value ?? "destinations")} keepMounted={false}>
        <TabStrip open={tab}>
          <Tabs.Tab value="destinations">Destinations</Tabs.Tab>
          <Tabs.Tab value="waiting">Waiting</Tabs.Tab>
          <Tabs.Tab
            value="dead"
            rightSection={dead > 0 && <State size="sm" tone="bad">{dead}</State>}
          >
            Dead letters
          </Tabs.Tab>
        </TabStrip>
        <Tabs.Panel value="destinations">
          <Destinations named={named} />
        </Tabs.Panel>
        <Tabs.Panel value="waiting">
          <Waiting names={names} open={setMessage} />
        </Tabs.Panel>
        <Tabs.Panel value="dead">
          <DeadLetters names={names} open={setMessage} />
        </Tabs.Panel>
      </Tabs>
      <StoryDrawer id={message} close={() => setMessage("")} />
    </Page>
  );
}
