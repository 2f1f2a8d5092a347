/** Links: the list, one with its figures, a new one, one that is changed, many from a file. */
import { Route, Switch } from "wouter";
import { EditLinkPage } from "./EditLinkPage.tsx";
import { Import } from "./Import.tsx";
import { LinkList } from "./LinkList.tsx";
import { LinkView } from "./LinkView.tsx";
import { NewLinkPage } from "./NewLinkPage.tsx";

export default function Links() {
  return (
    <Switch>
      <Route path="/links">
        <LinkList />
      </Route>
      <Route path="/links/new">
        <NewLinkPage />
      </Route>
      <Route path="/links/import">
        <Import />
      </Route>
      <Route path="/links/at/:code/change">{({ code }) => <EditLinkPage key={code} code={code} />}</Route>
      <Route path="/links/at/:code">{({ code }) => <LinkView code={code} />}</Route>
    </Switch>
  );
}
