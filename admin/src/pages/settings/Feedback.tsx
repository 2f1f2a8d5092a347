/** The words in a chat that count as a complaint or as praise. */
import { Alert, Button, Group, Stack, TagsInput, Text } from "@mantine/core";
import { type FormEvent, useState } from "react";
import type { Row } from "../../../../supabase/functions/_shared/contract/sql.ts";
import {
  BUILT_IN_WORDS,
  MAX_WORD_LENGTH,
  MAX_WORDS,
  type WordKind,
  wordsKey,
} from "../../../../supabase/functions/_shared/contract/feedback_words.ts";
import { rpc, useChange, useRows } from "../../data/query.ts";
import { useMay } from "../../session/me.tsx";
import { Section } from "../../ui/Section.tsx";
import { Loaded } from "../../ui/states.tsx";

type Setting = Pick<Row<"settings">, "key" | "value" | "version">;

const KINDS: readonly [kind: WordKind, title: string, about: string][] = [
  [
    "complaint",
    "Complaints",
    "A message that begins with one of these words is a complaint about the features that its writer has.",
  ],
  ["praise", "Praise", "A message that begins with one of these words is a positive rating."],
];

export function Feedback() {
  const settings = useRows(
    ["settings", "feedback"],
    (db) =>
      db.from("settings").select("key,value,version").in("key", KINDS.map(([kind]) => wordsKey(kind))).limit(
        KINDS.length,
      ),
  );
  return (
    <Stack>
      <Text size="sm" c="dimmed">
        Rollouts in progress listen to what people write: too many complaints take a feature back. 4/5 is a
        rating in every language.
      </Text>
      <Loaded of={settings}>
        {(settings) => (
          <Stack>
            {KINDS.map(([kind, title, about]) => (
              <Section key={kind} title={title} about={about}>
                <Words
                  kind={kind}
                  title={title}
                  setting={settings.find(({ key }) => key === wordsKey(kind))}
                />
              </Section>
            ))}
          </Stack>
        )}
      </Loaded>
    </Stack>
  );
}

const wordsOf = (kind: WordKind, setting: Setting | undefined): string[] =>
  setting ? JSON.parse(setting.value) as string[] : [...BUILT_IN_WORDS[kind]];

interface Props {
  kind: WordKind;
  title: string;
  /** The current words; undefined for the built-in ones. */
  setting: Setting | undefined;
}

function Words({ kind, title, setting }: Props) {
  const may = useMay("operator");
  // The setting that the words were made from: another person's change does not replace what is being written.
  const [from, setFrom] = useState(setting);
  const [words, setWords] = useState(wordsOf(kind, setting));
  const save = useChange<string[], Setting>({
    act: (words) =>
      rpc("set_setting", {
        p_key: wordsKey(kind),
        p_value: JSON.stringify(words),
        p_metadata: null,
        p_expected_version: from?.version ?? 0,
      }),
    touches: ["settings", "settings_history"],
    said: () => `${title}: saved. Messages count by these words within a minute.`,
  });
  if (!may) return <Text size="sm">{wordsOf(kind, setting).join(", ") || "No words"}</Text>;
  const take = (setting: Setting | undefined) => {
    setFrom(setting);
    setWords(wordsOf(kind, setting));
  };
  const isChanged = JSON.stringify(words) !== JSON.stringify(wordsOf(kind, from));
  const isBuiltIn = JSON.stringify(words) === JSON.stringify(BUILT_IN_WORDS[kind]);
  // While saving, the newer version is one's own.
  const isOld = !save.isPending && (setting?.version ?? 0) > (from?.version ?? 0);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    save.mutate(words, { onSuccess: take });
  };
  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        <TagsInput
          aria-label={`Words for ${title.toLowerCase()}`}
          placeholder={words.length === 0 ? "No words: only people and services report it" : "Add a word"}
          maxTags={MAX_WORDS}
          maxLength={MAX_WORD_LENGTH}
          acceptValueOnBlur
          disabled={save.isPending}
          value={words}
          onChange={(words) => setWords([...new Set(words.map((word) => word.trim()))])}
        />
        {isOld && (
          <Alert color="yellow" role="alert" title="Somebody else changed these words">
            <Button size="xs" variant="default" onClick={() => take(setting)}>Load their version</Button>
          </Alert>
        )}
        <Group justify="flex-end" gap="xs">
          <Button
            size="xs"
            variant="default"
            disabled={isBuiltIn}
            aria-label={`Use the built-in words for ${title.toLowerCase()}`}
            onClick={() => setWords([...BUILT_IN_WORDS[kind]])}
          >
            Use the built-in words
          </Button>
          <Button
            type="submit"
            size="xs"
            aria-label={`Save ${title.toLowerCase()}`}
            disabled={!isChanged || isOld}
            loading={save.isPending}
          >
            Save
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
