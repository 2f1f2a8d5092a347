/** The flag of every feature, each one click from off. */
import { Box, Button, Group, Text, UnstyledButton } from "@mantine/core";
import { useState } from "react";
import { Link } from "wouter";
import { audience } from "../../../../supabase/functions/_shared/contract/words/flags.ts";
import { isOn, useFlagPages, useSwitchOff } from "../../data/flags.ts";
import { For } from "../../session/me.tsx";
import { BRAKES } from "../../ui/location.ts";
import { Section } from "../../ui/Section.tsx";
import { State } from "../../ui/State.tsx";
import { SearchField } from "../../ui/SearchField.tsx";
import { Empty, LoadedPages } from "../../ui/states.tsx";
import classes from "./overview.module.css";

export function Switches() {
  const [search, setSearch] = useState("");
  const flags = useFlagPages({ search, onFirst: true });
  const isLong = flags.hasMore || search !== "";
  const off = useSwitchOff();
  return (
    <Section
      title="Feature flags"
      about="Turning a flag off takes effect within 5 seconds. Turn it on from its page."
      flush
    >
      {isLong && (
        <Box px="md" pb="xs">
          <SearchField label="Search flags" value={search} onChange={setSearch} />
        </Box>
      )}
      <LoadedPages
        of={flags}
        empty={search
          ? <Empty icon="search" title={`No flags match “${search}”`} />
          : <Empty icon="flag" title="No flags yet">Create one with gatelink flags set.</Empty>}
      >
        {(items) => (
          <ul
            id={BRAKES}
            className={`${classes.list} ${classes.scroll}`}
            tabIndex={0}
            aria-label="Feature flags"
          >
            {items.map((flag) => (
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
            {flags.hasMore && (
              <li>
                <Button variant="default" size="xs" fullWidth loading={flags.reading} onClick={flags.more}>
                  Show more
                </Button>
              </li>
            )}
          </ul>
        )}
      </LoadedPages>
    </Section>
  );
}
