/** Announcements: the list, the form for a new one, and the page of one. */
import { Route, Switch } from "wouter";
import { NoSuchPage } from "../../ui/NoSuchPage.tsx";
import { AnnouncementPage } from "./AnnouncementPage.tsx";
import { AnnouncementList } from "./List.tsx";
import { NewAnnouncement } from "./New.tsx";

export default function Announcements() {
  return (
    <Switch>
      <Route path="/announcements" component={AnnouncementList} />
      <Route path="/announcements/new" component={NewAnnouncement} />
      <Route path="/announcements/:id">{({ id }) => <AnnouncementPage key={id} id={id} />}</Route>
      <Route component={NoSuchPage} />
    </Switch>
  );
}
