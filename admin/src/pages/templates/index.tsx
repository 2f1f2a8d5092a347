/** Templates: the list, the form for a new one, and the page of one. */
import { Route, Switch } from "wouter";
import { NoSuchPage } from "../../ui/NoSuchPage.tsx";
import { TemplateList } from "./List.tsx";
import { NewTemplate } from "./New.tsx";
import { TemplatePage } from "./TemplatePage.tsx";

export default function Templates() {
  return (
    <Switch>
      <Route path="/templates" component={TemplateList} />
      <Route path="/templates/new" component={NewTemplate} />
      <Route path="/templates/:account/:name/:language">
        {(at) => <TemplatePage key={`${at.account} ${at.name} ${at.language}`} {...at} />}
      </Route>
      <Route component={NoSuchPage} />
    </Switch>
  );
}
