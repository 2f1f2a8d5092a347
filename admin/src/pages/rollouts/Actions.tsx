/** The actions that a rollout's state allows, each sent with the version that was shown. */
import { Button, Group } from "@mantine/core";
import type { Row } from "../../../../supabase/functions/_shared/contract/sql.ts";
import { rpc, useChange } from "../../data/query.ts";
import { ROLLOUT_STATE_WORDS } from "../../../../supabase/functions/_shared/contract/words/rollout_states.ts";
import { MOVED, type Rollout, type RolloutState, type Stage } from "../../data/rollouts.ts";
import { For } from "../../session/me.tsx";
import { useAsk } from "../../ui/ask.tsx";
import { Icon, type IconName } from "../../ui/icons.tsx";
import { Start } from "./Start.tsx";

interface Move {
  call: `${"pause" | "resume" | "advance" | "roll_back" | "complete"}_rollout`;
  reason: string | null;
  becomes: RolloutState | undefined;
}

export function Actions(
  { rollout, stage, last }: { rollout: Rollout; stage: Stage | undefined; last: boolean },
) {
  const ask = useAsk();
  const move = useChange<Move, Row<"rollouts">>({
    act: ({ call, reason }) =>
      rpc(call, { p_id: rollout.id, p_expected_version: rollout.version, p_reason: reason }),
    touches: MOVED,
    foresee: ({ becomes }) =>
      becomes === undefined ? [] : [{
        key: ["rollouts"],
        data: (before) =>
          (before as Rollout[]).map((one) => one.id === rollout.id ? { ...one, state: becomes } : one),
      }],
    said: (after) =>
      `Rollout of ${after.flag_key}: ${ROLLOUT_STATE_WORDS[after.state]}${
        after.state === "rolled_back" ? ", the flag is off" : ""
      }.`,
  });

  async function offer(
    call: Move["call"],
    becomes: RolloutState | undefined,
    question: Parameters<typeof ask>[0],
  ) {
    const answer = await ask(question);
    if (answer) move.mutate({ call, reason: answer.reason, becomes });
  }
  const button = (icon: IconName) => ({
    leftSection: <Icon name={icon} size={16} />,
    loading: move.isPending,
    variant: "default",
  });
  const { state, flag_key } = rollout;

  return (
    <For role="operator">
      <Group gap="xs">
        {state === "draft" && <Start rollout={rollout} />}
        {state === "running" && (
          <Button
            {...button("pause")}
            onClick={() =>
              offer("pause_rollout", "paused", {
                title: "Pause this rollout?",
                body:
                  "People who have the feature keep it. The guard keeps watching and can still roll back.",
                action: "Pause",
              })}
          >
            Pause
          </Button>
        )}
        {state === "paused" && (
          <Button
            {...button("play")}
            onClick={() =>
              offer("resume_rollout", "running", {
                title: "Resume this rollout?",
                body: `The flag is set to the stage's percentage again (${
                  Number(stage?.percentage ?? 0)
                } %), and the stage restarts.`,
                action: "Resume",
              })}
          >
            Resume
          </Button>
        )}
        {(state === "running" || state === "paused") && (
          <>
            <Button
              {...button("next")}
              onClick={() =>
                offer("advance_rollout", undefined, {
                  title: last ? "Complete before the guard does?" : "Advance before the guard does?",
                  body: last
                    ? "The flag is then on for everybody, and the guard stops watching it."
                    : "More people get the feature before there is enough evidence for it.",
                  action: last ? "Complete" : "Advance",
                  danger: true,
                  reason: "required",
                })}
            >
              {last ? "Complete" : "Advance"}
            </Button>
            <Button
              {...button("undo")}
              variant="filled"
              color="red"
              onClick={() =>
                offer("roll_back_rollout", "rolled_back", {
                  title: `Roll back ${flag_key}?`,
                  body:
                    "The flag is off for everybody within 5 seconds, and this rollout ends. To try again, create a new rollout.",
                  action: "Roll back",
                  danger: true,
                  reason: "required",
                })}
            >
              Roll back
            </Button>
          </>
        )}
      </Group>
    </For>
  );
}
