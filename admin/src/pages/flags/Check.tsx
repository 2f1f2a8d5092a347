/** Whether the flag is on for somebody, and why, by the evaluation that the functions use. */
import { Button, Group, Stack, Text, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import type { CheckedFlag } from "../../../../supabase/functions/_shared/contract/answers/flag_check.ts";
import { checkInWords } from "../../../../supabase/functions/_shared/contract/words/flag_check.ts";
import { useRpc } from "../../data/query.ts";
import { useMay } from "../../session/me.tsx";
import { Section } from "../../ui/Section.tsx";
import { State } from "../../ui/State.tsx";
import { Loaded } from "../../ui/states.tsx";
import { Time } from "../../ui/Time.tsx";

export function Check({ flag }: { flag: string }) {
  const [typed, setTyped] = useState("");
  const [asked, setAsked] = useState("");
  const isOperator = useMay("operator");
  const checked = useRpc("check_flag", { p_key: flag, p_person: asked }, { enabled: asked !== "" });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setAsked(typed.trim());
  };
  return (
    <Section title="Check a person" about="Whether this flag is on for somebody, and why.">
      <form onSubmit={submit}>
        <Group gap="xs" align="flex-end" wrap="nowrap">
          <TextInput
            flex={1}
            label="Person"
            description={isOperator
              ? "Phone number or its last four digits, mail address, contact id, or the id in your app."
              : "Last four digits of the phone number, contact id, or the id in your app."}
            value={typed}
            onChange={({ currentTarget: { value } }) => setTyped(value)}
          />
          <Button type="submit" variant="default" disabled={typed.trim() === ""}>Check</Button>
        </Group>
      </form>
      {asked !== "" && (
        <Stack gap="sm" mt="md" role="status">
          <Loaded
            of={checked}
            rows={1}
            empty={
              <Text size="sm">Nobody with “{asked}” has written. Use the id in your app, if it has one.</Text>
            }
          >
            {(people) => people.map((one) => <Answer key={one.id} of={one} />)}
          </Loaded>
        </Stack>
      )}
    </Section>
  );
}

function Answer({ of }: { of: CheckedFlag }) {
  const isOn = of.on && of.killed_since === null;
  return (
    <div>
      <Group gap="xs">
        <State tone={isOn ? "good" : "plain"}>{isOn ? "on" : "off"}</State>
        <Text size="sm" fw={600} style={{ overflowWrap: "anywhere" }} dir="auto">
          {of.has_written
            ? `${of.name ? `${of.name}, ` : ""}···· ${of.last_four ?? of.id.slice(0, 8)}`
            : of.id}
        </Text>
      </Group>
      <Text size="sm">
        {checkInWords(of)}
        {of.killed_since !== null && (
          <>
            {" "}Its kill switch has been set since{" "}
            <Time at={of.killed_since} />, which turns it off for everybody.
          </>
        )}
      </Text>
      {!of.has_written && (
        <Text size="xs" c="dimmed">
          Nobody with this id has written: it counts as an id of your app.
        </Text>
      )}
    </div>
  );
}
