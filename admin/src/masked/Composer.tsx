/**
 * Where one writes. A sitter's text is checked before it is sent: the writer reads what would become of it, and decides.
 * What is typed stays, also where it cannot be sent now.
 */
import { Alert, Button, Group, Text, Textarea } from "@mantine/core";
import { type FormEvent, useEffect, useRef, useState } from "react";
import type {
  ThreadChecked,
  ThreadTextSent,
} from "../../../supabase/functions/_shared/contract/http/masking.ts";
import type { ThreadRow } from "../../../supabase/functions/_shared/contract/answers/masking.ts";
import { MAX_TEXT } from "../../../supabase/functions/_shared/sms/segments.ts";
import { useChange } from "../data/query.ts";
import { Segments } from "../pages/messages/Segments.tsx";
import { useDraft } from "../session/draft.ts";
import { Icon } from "../ui/icons.tsx";
import { checkText, sendText, TOUCHED } from "./api.ts";
import { clientOf, shutInWords, typesInWords, WORDS } from "./words.ts";
import classes from "./masked.module.css";

interface Props {
  org: string;
  thread: ThreadRow;
  reader: "owner" | "sitter";
  /** Whether the client wants no texts. */
  optedOut: boolean;
}

/** Why nobody can write now; undefined if one can. */
function shutBy({ thread, reader, optedOut }: Omit<Props, "org">): string | undefined {
  if (thread.state === "ended") return WORDS.composer.ended;
  if (optedOut) return WORDS.composer.optedOut;
  if (reader === "sitter" && thread.window.state !== "active") {
    return shutInWords(thread.window, clientOf(thread.client));
  }
  return undefined;
}

/** What a text is sent by once: the draft and its words, so that words that were changed after a lost answer are sent too. */
function keyOf(draft: string, text: string): string {
  let hash = 0x811c9dc5;
  for (const char of text) hash = Math.imul(hash ^ char.codePointAt(0)!, 0x01000193) >>> 0;
  return `${draft}.${text.length}.${hash.toString(36)}`;
}

/** How long what was said of a text that did not go as usual stays, in milliseconds. */
const SAID_MS = 12_000;

export function Composer(props: Props) {
  const { org, thread, reader } = props;
  const draft = useDraft(`thread:${thread.id}`);
  const [text, setText] = draft.field("text", "");
  const [checked, setChecked] = useState<ThreadChecked & { text: string }>();
  const [said, setSaid] = useState<string>();
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    if (said === undefined) return;
    const timer = setTimeout(() => setSaid(undefined), SAID_MS);
    return () => clearTimeout(timer);
  }, [said]);
  const shut = shutBy(props);
  const warned = shut === undefined && checked?.text === text.trim() && checked.outcome !== "pass"
    ? checked
    : undefined;

  const change = useChange({
    act: async ({ text, sure }: { text: string; sure: boolean }): Promise<ThreadTextSent | ThreadChecked> => {
      if (reader === "sitter" && !sure) {
        const verdict = await checkText(org, thread.id, text);
        if (verdict.outcome !== "pass") return verdict;
      }
      return await sendText(org, thread.id, text, keyOf(draft.id, text));
    },
    touches: TOUCHED,
  });

  function took(answer: ThreadTextSent | ThreadChecked, text: string): void {
    if (!("decision_id" in answer)) return setChecked({ ...answer, text });
    setChecked(undefined);
    draft.clear();
    const { outcome, reason } = answer;
    if (outcome === "leg") return setSaid(undefined);
    if (outcome !== "held") return setSaid(WORDS.composer.sent[outcome]);
    // Another press is another attempt, so the draft that comes back is a new one.
    setText(text);
    const { held } = WORDS.composer;
    setSaid(
      reason === "no_active_window" || reason === "opted_out" || reason === "no_client"
        ? held[reason]
        : held.other,
    );
  }

  function submit(event?: FormEvent, sure = false): void {
    event?.preventDefault();
    const words = text.trim();
    if (words === "" || shut !== undefined || change.isPending) return;
    change.mutateAsync({ text: words, sure }).then((answer) => took(answer, words), () => undefined);
  }

  return (
    <form className={classes.composer} onSubmit={(event) => submit(event, warned !== undefined)}>
      <div aria-live="polite">
        {shut !== undefined && (
          <Text size="sm" className={classes.shut}>
            <Icon name="clock" size={16} /> {shut}
          </Text>
        )}
        {said !== undefined && <Alert color="blue" p="xs" mb="xs">{said}</Alert>}
        {warned && (
          <Warning
            checked={warned}
            edit={() => {
              setChecked(undefined);
              field.current?.focus();
            }}
            busy={change.isPending}
          />
        )}
      </div>
      <Group align="flex-end" gap="xs" wrap="nowrap">
        <Textarea
          ref={field}
          aria-label={WORDS.composer.label}
          placeholder={WORDS.composer.placeholder}
          autosize
          minRows={1}
          maxRows={6}
          maxLength={MAX_TEXT}
          disabled={shut !== undefined}
          value={text}
          onChange={({ currentTarget: { value } }) => {
            setText(value);
            setSaid(undefined);
          }}
          onKeyDown={(event) => event.key === "Enter" && (event.metaKey || event.ctrlKey) && submit(event)}
          style={{ flex: 1 }}
        />
        {!warned && (
          <Button
            type="submit"
            loading={change.isPending}
            disabled={shut !== undefined || text.trim() === ""}
          >
            {WORDS.composer.send}
          </Button>
        )}
      </Group>
      {shut === undefined && text !== "" && <Segments text={text} replace={setText} />}
    </form>
  );
}

function Warning(
  { checked: { outcome, types }, edit, busy }: { checked: ThreadChecked; edit: () => void; busy: boolean },
) {
  const { title, body } = outcome === "block" ? WORDS.composer.block : WORDS.composer.warn;
  return (
    <Alert color="yellow" p="sm" mb="xs" title={title} icon={<Icon name="warn" />}>
      <Text size="sm">{body(typesInWords(types))}</Text>
      <Group gap="xs" mt="xs">
        <Button size="xs" onClick={edit}>{WORDS.composer.edit}</Button>
        <Button size="xs" variant="default" type="submit" loading={busy}>
          {outcome === "block" ? WORDS.composer.toOffice : WORDS.composer.sendAnyway}
        </Button>
      </Group>
    </Alert>
  );
}
