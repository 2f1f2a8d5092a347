/** What a ramp has to be taken back or people told for. */
import { Alert, List } from "@mantine/core";
import { eventInWords } from "../../../../supabase/functions/_shared/contract/words/rollouts.ts";
import { useRpc } from "../../data/query.ts";
import { TRAFFIC_MS } from "../../data/traffic.ts";
import { Icon } from "../../ui/icons.tsx";

export function Findings() {
  const watch = useRpc("environment_watch", {}, { every: TRAFFIC_MS });
  const found = watch.data?.findings ?? [];
  if (found.length === 0) return null;
  return (
    <Alert
      color={found.some(({ verdict }) => verdict === "roll_back") ? "red" : "yellow"}
      variant="light"
      icon={<Icon name="warn" />}
      title="Found in the last minutes"
    >
      <List size="sm">
        {found.map(({ rule, verdict, figures }) => (
          <List.Item key={rule}>
            {eventInWords({ kind: verdict === "page" ? "paged" : "rolled_back", rule, verdict, figures })}
          </List.Item>
        ))}
      </List>
    </Alert>
  );
}
