/** Records that a message is a complaint: rollouts of features that its writer has listen to it. */
import { UnstyledButton } from "@mantine/core";
import type { Result } from "../../../../supabase/functions/_shared/contract/sql.ts";
import { rpc, useChange } from "../../data/query.ts";
import { useAsk } from "../../ui/ask.tsx";
import classes from "./messages.module.css";

export function Complain({ message }: { message: string }) {
  const ask = useAsk();
  const complain = useChange<string | null, Result<"add_feedback">>({
    act: (reason) =>
      rpc("add_feedback", {
        p_kind: "complaint",
        p_person: "",
        p_text: reason,
        p_message_id: message,
      }),
    touches: ["list_feedback", "watch_rollout"],
    said: ({ counts_for }) => {
      const having = counts_for.filter(({ arm }) => arm === "on").map(({ flag_key }) => flag_key);
      return having.length === 0
        ? "The complaint is recorded. The person has no feature that is being rolled out."
        : `The complaint is recorded, and counts for ${having.join(", ")}.`;
    },
  });
  return (
    <UnstyledButton
      className={classes.link}
      disabled={complain.isPending}
      onClick={async () => {
        const answer = await ask({
          title: "Record this message as a complaint?",
          body:
            "It counts for each rollout whose feature the person has. With too many complaints a rollout is taken back.",
          action: "Record complaint",
        });
        if (answer) complain.mutate(answer.reason);
      }}
    >
      Complaint
    </UnstyledButton>
  );
}
