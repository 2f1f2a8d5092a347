/** The launch gates that people sign, with a button for those who may. */
import { Badge, Button, Code, Group, Text } from "@mantine/core";
import { rpc, useChange } from "../../data/query.ts";
import { useMay, useMe } from "../../session/me.tsx";
import { useAsk } from "../../ui/ask.tsx";
import { Icon } from "../../ui/icons.tsx";
import { Section } from "../../ui/Section.tsx";
import { Loading } from "../../ui/states.tsx";
import { Time } from "../../ui/Time.tsx";
import { type Approval, type GateState, useGates } from "./gates.ts";
import classes from "./rollouts.module.css";

export function Gates({ flag }: { flag: string }) {
  const gates = useGates(flag);
  const passed = gates?.filter((gate) => gate.passed).length;
  return (
    <Section
      title="Launch gates"
      about={
        <>
          What people sign. <Code>gatelink gates {flag.replace(/\.enabled$/, "")}</Code>{" "}
          checks the rest: tests, plans, rights.
        </>
      }
      actions={gates && (
        <Badge variant="light" color={passed === gates.length ? "teal" : "gray"}>
          {passed} of {gates.length} signed
        </Badge>
      )}
      flush
    >
      {gates
        ? (
          <ul className={classes.list}>
            {gates.map((gate) => <Row key={gate.id} gate={gate} flag={flag} />)}
          </ul>
        )
        : <Loading />}
    </Section>
  );
}

function Row({ gate, flag }: { gate: GateState; flag: string }) {
  const me = useMe();
  const operator = useMay("operator");
  const ask = useAsk();
  const sign = useChange<{ role: string; note: string | null }, unknown>({
    act: ({ role, note }) =>
      rpc("sign_gate", { p_flag_key: flag, p_role: role, p_gate: gate.gate, p_note: note }),
    touches: ["gate_approvals"],
    said: () => `You signed: ${gate.title}.`,
  });
  const revoke = useChange<{ role: string; reason: string }, unknown>({
    act: ({ role, reason }) =>
      rpc("revoke_gate", { p_flag_key: flag, p_role: role, p_gate: gate.gate, p_because: reason }),
    touches: ["gate_approvals"],
    said: () => `Taken back: ${gate.title}.`,
  });
  const mine = gate.signed.some(({ signed_by }) => signed_by === me.id);
  const role = gate.roles.find((role) => me.approvals.includes(role));

  async function offer() {
    const answer = await ask({
      title: `Sign: ${gate.title}?`,
      body: `As ${role}, for ${flag}. Your name stands under it from now on.`,
      action: "Sign",
    });
    if (answer && role) sign.mutate({ role, note: answer.reason });
  }
  async function takeBack({ role }: Approval) {
    const answer = await ask({
      title: `Take back: ${gate.title}?`,
      action: "Take back",
      danger: true,
      reason: "required",
    });
    if (answer?.reason) revoke.mutate({ role, reason: answer.reason });
  }

  return (
    <li>
      <Group justify="space-between" wrap="nowrap">
        <Group gap="sm" wrap="nowrap" align="flex-start" style={{ minWidth: 0 }}>
          <Text c={gate.passed ? "teal.7" : "dimmed"} component="span">
            <Icon name={gate.passed ? "check" : "clock"} size={20} />
          </Text>
          <div>
            <Text size="sm" fw={600}>{gate.title}</Text>
            {gate.signed.map((approval) => (
              <Text key={approval.signed_by + approval.role} size="xs" c="dimmed" component="div">
                {approval.signed_as} ({approval.role}), <Time at={approval.signed_at} />
                {approval.note && `: ${approval.note}`}
              </Text>
            ))}
            {!gate.passed && (
              <Text size="xs" c="dimmed">
                {gate.signed.length > 0 && `${gate.signed.length} of ${gate.people}. `}Signed by{" "}
                {gate.roles.join(" or ")}.
              </Text>
            )}
          </div>
        </Group>
        {!mine && role && (
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
            onClick={() => takeBack(gate.signed[0])}
            aria-label={`Take back: ${gate.title}`}
            style={{ flex: "none" }}
          >
            Take back
          </Button>
        )}
      </Group>
    </li>
  );
}
