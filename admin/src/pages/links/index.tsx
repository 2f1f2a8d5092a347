/** Links: the list, one with its statistics, the forms to create and edit one, and the import from a file. */
import { lazy, Suspense } from "react";
import { Route, Switch } from "wouter";
import { NoSuchPage } from "../../ui/NoSuchPage.tsx";
import { Loading } from "../../ui/states.tsx";
import { EditLinkPage } from "./EditLinkPage.tsx";
import { LinksPage } from "./LinksPage.tsx";
import { LinkView } from "./LinkView.tsx";
import { NewLinkPage } from "./NewLinkPage.tsx";

/** Loaded on demand because of its CSV parser, which the other pages do not need. */
const Import = lazy(() => import("./Import.tsx"));

export default function Links() {
  return (
    <Switch>
      <Route path="/links">
        <LinksPage />
      </Route>
      <Route path="/links/new">
        <NewLinkPage />
      </Route>
      <Route path="/links/import">
        <Suspense fallback={<Loading rows={6} />}>
          <Import />
        </Suspense>
      </Route>
      <Route path="/links/at/:code/change">{({ code }) => <EditLinkPage key={code} code={code} />}</Route>
      <Route path="/links/at/:code">{({ code }) => <LinkView code={code} />}</Route>
      <Route component={NoSuchPage} />
    </Switch>
  );
}
