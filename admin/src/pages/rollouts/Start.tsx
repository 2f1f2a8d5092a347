/** Starts a draft rollout. With open gates a reason is required, and recorded. */
import { Button, Code, List, Text } from "@mantine/core";
import { rpc, useChange } from "../../data/query.ts";
import { MOVED, type Rollout } from "../../data/rollouts.ts";
import { useAsk } from "../../ui/ask.tsx";
import { Icon } from "../../ui/icons.tsx";
import { useGates } from "./gates.ts";
import { gatesCommand } from "./Gates.tsx";

export function Start({ rollout }: { rollout: Rollout }) {
  const ask = useAsk();
  const { data: gates } = useGates(rollout.flag_key);
  const start = useChange<{ reason: string | null }, Rollout>({
    act: ({ reason }) =>
      rpc("start_rollout", {
        p_id: rollout.id,
        p_expected_version: rollout.version,
        p_reason: reason,
        p_gates: {
          gates: gates!.map(({ id, passed, signed, finding }) => ({
            id,
            // Only the CLI can check this gate, and the panel does not know whether it has.
            status: passed === undefined ? "not_checked" : passed ? "passed" : "open",
            detail: finding?.detail ?? signed.map(({ signed_as }) => signed_as).join(", "),
          })),
          override: gates!.every(({ passed }) => passed !== false) ? null : reason,
        },
      }),
    touches: MOVED,
    said: ({ flag_key }) => `The rollout of ${flag_key} has started.`,
  });

  async function offer() {
    const open = gates!.filter(({ passed }) => passed === false);
    const unseen = gates!.filter(({ passed }) => passed === undefined).length;
    const others = (
      <Text size="sm" mt="xs">
        {unseen} more are checked by the CLI only: <Code>{gatesCommand(rollout.flag_key)}</Code>
      </Text>
    );
    const answer = await ask({
      title: `Start the rollout of ${rollout.flag_key}?`,
      body: open.length === 0
        ? (
          <>
            All gates that are checked here have passed. The first stage starts immediately.
            {others}
          </>
        )
        : (
          <>
            <Text size="sm" mb="xs">These gates are still open:</Text>
            <List size="sm">{open.map(({ id, title }) => <List.Item key={id}>{title}</List.Item>)}</List>
            <Text size="sm" mt="xs">Your reason for starting anyway is recorded with the rollout.</Text>
            {others}
          </>
        ),
      action: open.length === 0 ? "Start" : "Start anyway",
      danger: open.length > 0,
      reason: open.length > 0 ? "required" : "optional",
    });
    if (answer) start.mutate(answer);
  }

  return (
    <Button
      leftSection={<Icon name="play" size={16} />}
      onClick={offer}
      loading={start.isPending}
      disabled={!gates}
    >
      Start
    </Button>
  );
}
