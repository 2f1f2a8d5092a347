/** Health of both environments, part by part. */
import { Table, Text } from "@mantine/core";
import { type Environment, ENVIRONMENTS, type Side } from "../../data/traffic.ts";
import { Section } from "../../ui/Section.tsx";
import { State, type Tone } from "../../ui/State.tsx";
import { Sided } from "./Sided.tsx";
import classes from "./traffic.module.css";

const TONES: Record<string, Tone> = { healthy: "good", degraded: "warn", down: "bad" };

/** `settings_cache` as `Settings cache`. */
const titleOf = (name: string) => name[0].toUpperCase() + name.slice(1).replaceAll("_", " ");

export function Sides({ both }: { both: Record<Environment, Side | null> }) {
  const names = [
    ...new Set(ENVIRONMENTS.flatMap((side) => Object.keys(both[side]?.health.components ?? {}))),
  ];
  return (
    <Section title="Health" about="What each environment says of itself." flush>
      <Sided label="Health of both">
        <Table.Tr>
          <Table.Th scope="row">Overall</Table.Th>
          {ENVIRONMENTS.map((side) => (
            <Table.Td key={side} ta="right">
              <Status of={both[side]?.health.status} otherwise={side === "green" ? "no answer" : "down"} />
            </Table.Td>
          ))}
        </Table.Tr>
        <Table.Tr>
          <Table.Th scope="row" fw={400}>Version</Table.Th>
          {ENVIRONMENTS.map((side) => (
            <Table.Td key={side} ta="right" className={classes.version}>
              {both[side]?.version ?? <None />}
            </Table.Td>
          ))}
        </Table.Tr>
        {names.map((name) => (
          <Table.Tr key={name}>
            <Table.Th scope="row" fw={400}>{titleOf(name)}</Table.Th>
            {ENVIRONMENTS.map((side) => (
              <Table.Td key={side} ta="right">
                <Status of={both[side]?.health.components[name]?.status} />
              </Table.Td>
            ))}
          </Table.Tr>
        ))}
      </Sided>
    </Section>
  );
}

function Status({ of, otherwise }: { of: string | undefined; otherwise?: string }) {
  if (of !== undefined) return <State size="xs" tone={TONES[of] ?? "plain"}>{of}</State>;
  return otherwise === undefined ? <None /> : <State size="xs" tone="plain">{otherwise}</State>;
}

const None = () => <Text span c="dimmed" size="sm">–</Text>;
