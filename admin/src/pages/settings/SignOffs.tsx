/** Signatures of launches, which can be withdrawn here. Signing itself is on the rollout's page. */
import { Button, Stack, Table, Text } from "@mantine/core";
import type { Approval } from "../../../../supabase/functions/_shared/contract/answers/rollouts.ts";
import { client } from "../../data/client.ts";
import { olderThan } from "../../data/conditions.ts";
import { useLivePages } from "../../data/pages.ts";
import { rpc, unwrap, useChange } from "../../data/query.ts";
import { useNames } from "../../session/team.ts";
import { For } from "../../session/me.tsx";
import { useAsk } from "../../ui/ask.tsx";
import { State } from "../../ui/State.tsx";
import { Empty, LoadedPages } from "../../ui/states.tsx";
import { Time } from "../../ui/Time.tsx";

/** Sign-offs of a page. */
const PAGE = 100;

export function SignOffs() {
  const signed = useLivePages<Approval>({
    key: ["gate_approvals", "all"],
    read: (last) => {
      const rows = client().from("gate_approvals").select("*").order("signed_at", { ascending: false })
        .order("id", { ascending: false }).limit(PAGE);
      return unwrap(last ? rows.or(olderThan("signed_at", last)) : rows);
    },
    size: PAGE,
  });
  return (
    <Stack>
      <Text size="sm" c="dimmed">
        The latest come first. To see what is still open and to sign, open the rollout.
      </Text>
      <LoadedPages
        of={signed}
        empty={
          <Empty icon="check" title="No sign-offs yet">
            Members with approval roles (Settings, Team) sign under Rollouts.
          </Empty>
        }
      >
        {(items) => (
          <Table.ScrollContainer minWidth={520}>
            <Table aria-label="Sign-offs">
              <Table.Tbody>{items.map((one) => <Row key={one.id} of={one} />)}</Table.Tbody>
            </Table>
            {signed.hasMore && (
              <Button variant="default" fullWidth mt="xs" loading={signed.reading} onClick={signed.more}>
                Show more
              </Button>
            )}
          </Table.ScrollContainer>
        )}
      </LoadedPages>
    </Stack>
  );
}

function Row({ of }: { of: Approval }) {
  const ask = useAsk();
  const nameOf = useNames();
  const revoke = useChange({
    act: (reason: string) =>
      rpc("revoke_gate", {
        p_flag_key: of.flag_key,
        p_role: of.role,
        p_gate: of.gate,
        p_because: reason,
      }),
    touches: ["gate_approvals", "launch_facts"],
    said: () => "Sign-off revoked.",
  });
  return (
    <Table.Tr>
      <Table.Td>
        <Text size="sm" fw={600} style={{ overflowWrap: "anywhere" }}>
          {of.flag_key}: {of.gate.replaceAll("_", " ")}
        </Text>
        <Text size="xs" c="dimmed" component="div">
          {of.signed_as} as {of.role}, <Time at={of.signed_at} />
          {of.note && `: ${of.note}`}
        </Text>
        {of.revoked_at && (
          <Text size="xs" component="div">
            Revoked by {nameOf(of.revoked_by ?? "")} <Time at={of.revoked_at} />: {of.revoked_because}
          </Text>
        )}
      </Table.Td>
      <Table.Td w={130}>
        <State tone={of.revoked_at ? "plain" : of.applies ? "good" : "info"} asWritten>
          {of.revoked_at ? "revoked" : of.applies ? "signed" : "not applicable"}
        </State>
      </Table.Td>
      <Table.Td w={120}>
        {!of.revoked_at && (
          <For role="operator">
            <Button
              size="xs"
              variant="default"
              aria-label={`Revoke ${of.gate} of ${of.flag_key}`}
              onClick={async () => {
                const answer = await ask({
                  title: `Revoke the ${of.role} sign-off of ${of.flag_key}?`,
                  body: "All sign-offs of this gate in this role are revoked, and the gate is open again.",
                  action: "Revoke",
                  danger: true,
                  reason: "required",
                });
                if (answer?.reason) revoke.mutate(answer.reason);
              }}
            >
              Revoke
            </Button>
          </For>
        )}
      </Table.Td>
    </Table.Tr>
  );
}
