/** What detection found in a text, and what a person says of it. */
import { Button, Group, Text } from "@mantine/core";
import type { InboxText } from "../../../supabase/functions/_shared/contract/http/masking.ts";
import { useChange } from "../data/query.ts";
import { KEYS, review } from "./api.ts";
import { typesInWords, WORDS } from "./words.ts";
import classes from "./masked.module.css";

export function Findings({ org, item: { id, findings } }: { org: string; item: InboxText }) {
  const change = useChange({
    act: ({ ord, wasRight }: { ord: number; wasRight: boolean }) => review(org, id, ord, wasRight),
    touches: [KEYS.findings, KEYS.inbox],
    said: (_, { wasRight }) => wasRight ? WORDS.findings.saidRight : WORDS.findings.saidAlarm,
  });
  return (
    <ul className={classes.findings}>
      {findings.map(({ ord, type, redacted, was_right }) => {
        const what = typesInWords([type]);
        const choose = (wasRight: boolean, label: string) => (
          <Button
            size="xs"
            variant={was_right === wasRight ? "light" : "default"}
            aria-pressed={was_right === wasRight}
            aria-label={`${label}: ${what}`}
            onClick={() => change.mutate({ ord, wasRight })}
          >
            {label}
          </Button>
        );
        return (
          <li key={ord}>
            <Group gap={6}>
              <Text size="sm">{WORDS.findings.found}: {what}</Text>
              {redacted !== "" && <code className={classes.redacted}>{redacted}</code>}
              {choose(true, WORDS.findings.right)}
              {choose(false, WORDS.findings.alarm)}
            </Group>
          </li>
        );
      })}
    </ul>
  );
}
