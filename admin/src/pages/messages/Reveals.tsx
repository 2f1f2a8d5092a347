/** Which team members revealed this contact, when and why: the latest three. */
import { Text } from "@mantine/core";
import { useRows } from "../../data/query.ts";
import { useNames } from "../../session/team.ts";
import { Reason } from "../../ui/Reason.tsx";
import { Time } from "../../ui/Time.tsx";

export function Reveals({ contact }: { contact: string }) {
  const name = useNames();
  const acts = useRows(
    ["contact_acts", contact],
    (client) =>
      client.from("contact_acts").select("id,reason,at,by").eq("contact_id", contact).eq("act", "revealed")
        .order("at", { ascending: false }).limit(3),
  );
  if (acts.isPlaceholderData) return null;
  return acts.data?.map(({ id, reason, at, by }) => (
    <Text key={id} size="xs" c="dimmed" component="div" style={{ overflowWrap: "anywhere" }}>
      Viewed by {name(by)}, <Time at={at} />: <Reason text={reason ?? ""} />
    </Text>
  ));
}
