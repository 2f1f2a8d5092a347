/** Rollouts: the list, the form for a new one, and the page of one. */
import { Route, Switch } from "wouter";
import { NoSuchPage } from "../../ui/NoSuchPage.tsx";
import { RolloutList } from "./List.tsx";
import { NewRollout } from "./New.tsx";
import { RolloutPage } from "./RolloutPage.tsx";

export default function Rollouts() {
  return (
    <Switch>
      <Route path="/rollouts" component={RolloutList} />
      <Route path="/rollouts/new" component={NewRollout} />
      <Route path="/rollouts/:id">{({ id }) => <RolloutPage key={id} id={id} />}</Route>
      <Route component={NoSuchPage} />
    </Switch>
  );
}
