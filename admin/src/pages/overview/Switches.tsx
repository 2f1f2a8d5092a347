/** The flag of every feature, each one click from off. */
import { Button, Group, Text, UnstyledButton } from "@mantine/core";
import { Link } from "wouter";
import { audience } from "../../../../supabase/functions/_shared/contract/words/flags.ts";
import { isOn, useFlags, useSwitchOff } from "../../data/flags.ts";
import { For } from "../../session/me.tsx";
import { BRAKES } from "../../ui/location.ts";
import { Section } from "../../ui/Section.tsx";
import { State } from "../../ui/State.tsx";
import { Empty, Loaded } from "../../ui/states.tsx";
import classes from "./overview.module.css";

export function Switches() {
  const flags = useFlags();
  const off = useSwitchOff();
  return (
    <Section
      title="Feature flags"
      about="Turning a flag off takes effect within 5 seconds. Turn it on from its page."
      flush
    >
      <Loaded
        of={flags}
        empty={<Empty icon="flag" title="No flags yet">Create one with gatelink flags set.</Empty>}
      >
        {(flags) => (
          <ul
            id={BRAKES}
            className={`${classes.list} ${classes.scroll}`}
            tabIndex={0}
            aria-label="Feature flags"
          >
            {flags.map((flag) => (
              <li key={flag.key}>
                <Group justify="space-between" wrap="nowrap">
                  <UnstyledButton component={Link} href={`/flags/${flag.key}`} style={{ minWidth: 0 }}>
                    <Text size="sm" fw={600} truncate>{flag.key.replace(/\.enabled$/, "")}</Text>
                    <Text size="xs" c="dimmed">{isOn(flag) ? `on for ${audience(flag)}` : "off"}</Text>
                  </UnstyledButton>
                  {isOn(flag)
                    ? (
                      <For role="operator" otherwise={<State tone="good">on</State>}>
                        <Button
                          size="xs"
                          color="red"
                          variant="light"
                          aria-label={`Turn off ${flag.key}`}
                          onClick={() => off.mutate({ flag, reason: null })}
                        >
                          Turn off
                        </Button>
                      </For>
                    )
                    : <State tone="plain">off</State>}
                </Group>
              </li>
            ))}
          </ul>
        )}
      </Loaded>
    </Section>
  );
}
