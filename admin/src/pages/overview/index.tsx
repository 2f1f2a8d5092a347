/** How things stand. */
import { Page } from "../../ui/Page.tsx";
import { Loaded } from "../../ui/states.tsx";
import { useRpc } from "../../data/query.ts";

export default function Overview() {
  const status = useRpc<Record<string, unknown>>("status", {}, { every: 5_000 });
  return (
    <Page title="Overview">
      <Loaded of={status}>{(status) => <pre>{JSON.stringify(status, null, 2)}</pre>}</Loaded>
    </Page>
  );
}
