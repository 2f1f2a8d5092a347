/** Who else of the team has the conversation open, so that two people do not answer at once. */
import { Text } from "@mantine/core";
import { rpc, useRead } from "../../data/query.ts";
import { useNames } from "../../session/team.ts";

/** A third of the time after which somebody is taken to have left. A hidden page stops asking, and so has left. */
const SEEN_MS = 10_000;

export function AlsoHere({ id }: { id: string }) {
  const names = useNames();
  const others = useRead(
    ["look_at_conversation", id],
    () => rpc("look_at_conversation", { p_conversation_id: id }),
    { every: SEEN_MS },
  );
  const here = others.isPlaceholderData ? [] : others.data ?? [];
  return (
    <Text size="xs" fw={600} role="status" style={{ overflowWrap: "anywhere" }}>
      {here.length > 0 && `Also looking: ${here.map(({ user_id }) => names(user_id)).join(", ")}`}
    </Text>
  );
}
