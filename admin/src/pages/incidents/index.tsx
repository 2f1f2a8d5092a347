/** Incidents: the list, the form for a new one, and the page of one. */
import { Route, Switch } from "wouter";
import { NoSuchPage } from "../../ui/NoSuchPage.tsx";
import { IncidentPage } from "./IncidentPage.tsx";
import { IncidentList } from "./List.tsx";
import { NewIncident } from "./New.tsx";

export default function Incidents() {
  return (
    <Switch>
      <Route path="/incidents" component={IncidentList} />
      <Route path="/incidents/new" component={NewIncident} />
      <Route path="/incidents/:number">
        {({ number }) => <IncidentPage key={number} number={Number(number)} />}
      </Route>
      <Route component={NoSuchPage} />
    </Switch>
  );
}
