/**
 * The launch gates: those that people sign, those that the database checks, and those that only the CLI can
 * check.
 */
import type { Approval } from "../../../../supabase/functions/_shared/contract/answers/rollouts.ts";
import { ActionIcon, Alert, Button, Code, CopyButton, Group, Text } from "@mantine/core";
import { SECTIONS } from "../../../../supabase/functions/_shared/rollouts/checklist.ts";
import { rpc, useChange, useRpc } from "../../data/query.ts";
import { useMay, useMe } from "../../session/me.tsx";
import { useAsk } from "../../ui/ask.tsx";
import { Icon, type IconName } from "../../ui/icons.tsx";
import { Section } from "../../ui/Section.tsx";
import { State } from "../../ui/State.tsx";
import { Loaded } from "../../ui/states.tsx";
import { Time } from "../../ui/Time.tsx";
import { roleInWords, signingInWords } from "../../words/signatures.ts";
import { approvedAs, type GateState, standOf, useGates, useOnePerson } from "./gates.ts";
import classes from "./rollouts.module.css";

const TOUCHES = ["gate_approvals", "launch_facts"];

/** The command that checks all of them. */
export const gatesCommand = (flag: string) => `gatelink gates ${flag.replace(/\.enabled$/, "")}`;

export function Gates({ flag }: { flag: string }) {
  const gates = useGates(flag);
  const known = gates.data?.filter(({ passed }) => passed !== undefined);
  const passed = known?.filter((gate) => gate.passed).length;
  const command = gatesCommand(flag);
  return (
    <Section
      title="Launch gates"
      about={
        <Group gap={4}>
          <span>Some gates need a checkout or the platform and are checked by the CLI:</span>
          <Code>{command}</Code>
          <CopyButton value={command}>
            {({ copied, copy }) => (
              <ActionIcon
                variant="subtle"
                color="gray"
                size="sm"
                aria-label={copied ? "Copied" : "Copy command"}
                onClick={copy}
              >
                <Icon name={copied ? "check" : "copy"} size={14} />
              </ActionIcon>
            )}
          </CopyButton>
        </Group>
      }
      actions={known && (
        <State tone={passed === known.length ? "good" : "plain"}>
          {passed} of {known.length} passed
        </State>
      )}
      flush
    >
      <Loaded of={gates}>
        {(gates) => (
          <>
            <Signer gates={gates} />
            {SECTIONS.map((section) => {
              const within = gates.filter((gate) => gate.section === section);
              return within.length > 0 && (
                <section key={section} aria-label={section}>
                  <Text component="h3" size="xs" fw={650} c="dimmed" className={classes.part}>{section}</Text>
                  <ul className={classes.list}>
                    {within.map((gate) => <Row key={gate.id} gate={gate} flag={flag} />)}
                  </ul>
                </section>
              );
            })}
          </>
        )}
      </Loaded>
    </Section>
  );
}

/** Tells a person who holds several roles whom they need, before the database refuses their second signature. */
function Signer({ gates }: { gates: readonly GateState[] }) {
  const me = useMe();
  const team = useRpc("list_team", {}, { every: 60_000 }).data;
  const alone = useOnePerson();
  if (team === undefined || alone === undefined) return null;
  const words = signingInWords({
    missing: standOf(gates).unsigned,
    mine: me.approvals,
    signedAs: approvedAs(gates, me.id),
    others: team.filter(({ user_id, can_sign_in }) => user_id !== me.id && can_sign_in).flatMap((
      { approvals },
    ) => approvals),
    alone,
  });
  return words && <Alert color="yellow" radius={0} icon={<Icon name="people" />}>{words}</Alert>;
}

const MARKS: Record<string, [icon: IconName, colour: string, word: string]> = {
  passed: ["check", "var(--good)", "Passed"],
  open: ["cross", "var(--bad)", "Open"],
  waits: ["clock", "dimmed", "Not signed"],
  command: ["terminal", "dimmed", "Checked by the CLI"],
};

function markOf({ passed, by }: GateState) {
  return MARKS[passed ? "passed" : by === "command" ? "command" : by === "people" ? "waits" : "open"];
}

function Row({ gate, flag }: { gate: GateState; flag: string }) {
  const [icon, colour, word] = markOf(gate);
  return (
    <li>
      <Group justify="space-between" wrap="nowrap">
        <Group gap="sm" wrap="nowrap" align="flex-start" style={{ minWidth: 0 }}>
          <Text c={colour} component="span" role="img" aria-label={word} title={word}>
            <Icon name={icon} size={20} />
          </Text>
          <div style={{ minWidth: 0 }}>
            <Text size="sm" fw={gate.by === "command" ? 400 : 600}>{gate.title}</Text>
            <Why gate={gate} />
          </div>
        </Group>
        <Buttons gate={gate} flag={flag} />
      </Group>
    </li>
  );
}

function Why({ gate: { signed, finding, passed, people, roles, by } }: { gate: GateState }) {
  return (
    <>
      {signed.map((approval) => (
        <Text key={approval.signed_by + approval.role} size="xs" c="dimmed" component="div">
          {approval.signed_as} ({approval.role}), <Time at={approval.signed_at} />
          {!approval.applies && ", not applicable"}
          {approval.note && `: ${approval.note}`}
        </Text>
      ))}
      {finding && (
        <Text size="xs" c={passed ? "dimmed" : "var(--bad)"} style={{ overflowWrap: "anywhere" }}>
          {finding.detail.charAt(0).toUpperCase() + finding.detail.slice(1)}.
        </Text>
      )}
      {finding?.how && <Text size="xs" c="dimmed" style={{ overflowWrap: "anywhere" }}>{finding.how}</Text>}
      {by === "people" && !passed && (
        <Text size="xs" c="dimmed">
          {signed.length > 0 && `${signed.length} of ${people}. `}Needs a signature:{" "}
          {roles.map(roleInWords).join(" or ")}.
        </Text>
      )}
    </>
  );
}

/** Signs a gate or withdraws a signature, for people with the role. */
function Buttons({ gate, flag }: { gate: GateState; flag: string }) {
  const me = useMe();
  const operator = useMay("operator");
  const ask = useAsk();
  const sign = useChange<{ role: string; note: string | null }, unknown>({
    act: ({ role, note }) =>
      rpc("sign_gate", { p_flag_key: flag, p_role: role, p_gate: gate.gate, p_note: note }),
    touches: TOUCHES,
    said: () => `You signed: ${gate.title}.`,
  });
  const revoke = useChange<{ role: string; reason: string }, unknown>({
    act: ({ role, reason }) =>
      rpc("revoke_gate", { p_flag_key: flag, p_role: role, p_gate: gate.gate, p_because: reason }),
    touches: TOUCHES,
    said: () => `Sign-off revoked: ${gate.title}.`,
  });
  const mine = gate.signed.some(({ signed_by }) => signed_by === me.id);
  const alone = useOnePerson();
  const approved = useGates(flag).data;
  // The database refuses a second role of one person.
  const taken = gate.gate === "approval" && alone === false && approved !== undefined &&
    approvedAs(approved, me.id) !== undefined;
  const role = gate.roles.find((role) => me.approvals.includes(role));

  async function offer() {
    const answer = await ask({
      title: `Sign: ${gate.title}?`,
      body: `You sign as ${role}, for ${flag}. Your name is recorded.`,
      action: "Sign",
    });
    if (answer && role) sign.mutate({ role, note: answer.reason });
  }
  async function revokeSignOff({ role }: Approval) {
    const answer = await ask({
      title: `Revoke sign-off: ${gate.title}?`,
      action: "Revoke",
      danger: true,
      reason: "required",
    });
    if (answer?.reason) revoke.mutate({ role, reason: answer.reason });
  }

  return (
    <>
      {gate.by === "people" && !mine && !taken && role && (
        <Button
          size="xs"
          variant="default"
          onClick={offer}
          loading={sign.isPending}
          aria-label={`Sign: ${gate.title}`}
          style={{ flex: "none" }}
        >
          Sign
        </Button>
      )}
      {(mine || (gate.passed && !role)) && operator && gate.signed.length > 0 && (
        <Button
          size="xs"
          variant="subtle"
          color="gray"
          onClick={() => revokeSignOff(gate.signed[0])}
          aria-label={`Revoke: ${gate.title}`}
          style={{ flex: "none" }}
        >
          Revoke
        </Button>
      )}
    </>
  );
}
