/** Two environments: the split of visitors, how both do, and the way there and back. */
import { Stack } from "@mantine/core";
import { TRAFFIC_MS, useSides } from "../../data/traffic.ts";
import { useRpc } from "../../data/query.ts";
import { Page } from "../../ui/Page.tsx";
import { Loaded } from "../../ui/states.tsx";
import { Compared } from "./Compared.tsx";
import { Findings } from "./Findings.tsx";
import { History } from "./History.tsx";
import { Sides } from "./Sides.tsx";
import { Split } from "./Split.tsx";

export default function Traffic() {
  const split = useRpc("traffic_split", {}, { every: TRAFFIC_MS });
  const sides = useSides();
  return (
    <Page
      title="Traffic"
      about="Blue and green are two deployments on one database. The gateway sends each visitor to one of them."
    >
      <Stack gap="md">
        <Loaded of={split} rows={3}>
          {(now) => <Split split={now} green={sides.data?.green} />}
        </Loaded>
        <Findings />
        <Compared />
        <Loaded of={sides} rows={6}>
          {(both) => <Sides both={both} />}
        </Loaded>
        <History />
      </Stack>
    </Page>
  );
}
