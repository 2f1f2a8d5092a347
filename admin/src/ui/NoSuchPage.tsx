/** Shown for an unknown address. */
import { Button } from "@mantine/core";
import { Link } from "wouter";
import { Page } from "./Page.tsx";
import { Empty } from "./states.tsx";

export function NoSuchPage() {
  return (
    <Page title="Page not found">
      <Empty
        icon="search"
        title="There is no page at this address"
        action={<Button component={Link} href="/">Go to the overview</Button>}
      >
        It may come from another version of the panel.
      </Empty>
    </Page>
  );
}
