/** Flags: the list, the page of one flag, and segments. */
import { Route, Switch } from "wouter";
import { NoSuchPage } from "../../ui/NoSuchPage.tsx";
import { FlagPage } from "./FlagPage.tsx";
import { FlagList } from "./List.tsx";
import { SegmentList } from "./Segments.tsx";

export default function Flags() {
  return (
    <Switch>
      <Route path="/flags" component={FlagList} />
      <Route path="/flags/segments" component={SegmentList} />
      <Route path="/flags/:key">
        {({ key }) => <FlagPage key={key} flagKey={decodeURIComponent(key)} />}
      </Route>
      <Route component={NoSuchPage} />
    </Switch>
  );
}
