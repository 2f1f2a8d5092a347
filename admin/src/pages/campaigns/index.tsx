/** Campaigns: the list, the form for a new one, and the page of one. */
import { Route, Switch } from "wouter";
import { NoSuchPage } from "../../ui/NoSuchPage.tsx";
import { CampaignPage } from "./CampaignPage.tsx";
import { CampaignList } from "./List.tsx";
import { NewCampaign } from "./New.tsx";

export default function Campaigns() {
  return (
    <Switch>
      <Route path="/campaigns" component={CampaignList} />
      <Route path="/campaigns/new" component={NewCampaign} />
      <Route path="/campaigns/:id">{({ id }) => <CampaignPage key={id} id={id} />}</Route>
      <Route component={NoSuchPage} />
    </Switch>
  );
}
