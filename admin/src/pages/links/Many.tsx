/** Changes of many links at once: tags, on and off, deletion. In portions, with progress; what was refused stays selected. */
import { Alert, Button, Group, Modal, Progress, Stack, TagsInput, Text } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { Refusal } from "../../data/refusal.ts";
import { toast } from "../../data/toasts.tsx";
import { useAsk } from "../../ui/ask.tsx";
import { AT_ONCE, type Change, changeLinks, readLinks, undoMany, type Was } from "./undo_many.ts";

/** A change under way. */
interface Work {
  change: Change;
  /** Those that are still to be asked for. */
  left: string[];
  done: string[];
  /** What those that were asked for had before. */
  before: Was[];
  /** Those that were refused, and why. */
  refused: Map<string, string>;
  fault?: string;
}

const counted = (n: number) => n === 1 ? "1 link" : `${n.toLocaleString()} links`;
const WHY: Record<string, string> = {
  link_not_found: "it was deleted",
  conflict: "somebody else changed it at the same moment",
};

interface Props {
  /** The selected links. */
  codes: string[];
  /** Called with those that are done. */
  forget: (codes: string[]) => void;
}

export function Many({ codes, forget }: Props) {
  const ask = useAsk();
  const queries = useQueryClient();
  const [work, setWork] = useState<Work>();
  const [tagging, setTagging] = useState(false);
  const stopped = useRef(false);
  useEffect(() => () => void (stopped.current = true), []);

  async function go(from: Work) {
    stopped.current = false;
    let now: Work = { ...from, fault: undefined };
    setWork(now);
    try {
      while (now.left.length > 0 && !stopped.current) {
        const asked = now.left.slice(0, AT_ONCE);
        // Read once: a portion that is asked for again may have been changed already.
        const known = new Set(now.before.map(({ code }) => code));
        const unread = asked.filter((code) => !known.has(code));
        if (unread.length > 0) now = { ...now, before: [...now.before, ...await readLinks(unread)] };
        const { results } = await changeLinks(asked, now.change);
        const refused = new Map(now.refused);
        results.forEach((result, index) => {
          if ("error" in result) {
            refused.set(asked[index], result.detail ?? WHY[result.error] ?? result.error);
          }
        });
        const done = asked.filter((code) => !refused.has(code));
        now = { ...now, left: now.left.slice(asked.length), done: [...now.done, ...done], refused };
        setWork(now);
      }
      const { done, refused, left, before, change } = now;
      const changed = before.filter(({ code }) => done.includes(code));
      forget(done);
      toast({
        tone: refused.size === 0 ? "good" : "bad",
        title: refused.size === 0 ? undefined : `${counted(refused.size)} could not be changed`,
        message: [
          `${counted(done.length)} ${done.length === 1 ? "was" : "were"} changed.`,
          left.length > 0 && `Stopped before the other ${left.length.toLocaleString()}.`,
          ...[...refused].slice(0, 5).map(([code, why]) => `${code}: ${why}.`),
        ].filter(Boolean).join(" "),
        undo: changed.length === 0 ? undefined : async () => {
          try {
            return `Undone: ${counted(await undoMany(changed, change))} as before.`;
          } finally {
            void queries.invalidateQueries({ queryKey: ["links"] });
          }
        },
      });
      setWork(undefined);
    } catch (error) {
      const { message, hint } = error instanceof Refusal ? error : new Refusal("unknown", String(error));
      setWork({ ...now, fault: [message, hint].filter(Boolean).join(" ") });
    } finally {
      void queries.invalidateQueries({ queryKey: ["links"] });
    }
  }

  const begin = (change: Change) => go({ change, left: codes, done: [], before: [], refused: new Map() });
  const none = codes.length === 0;
  return (
    <>
      <Button size="xs" variant="default" disabled={none} onClick={() => setTagging(true)}>Tag</Button>
      <Button
        size="xs"
        variant="default"
        disabled={none}
        onClick={() => void begin({ state: "active" })}
      >
        Turn on
      </Button>
      <Button
        size="xs"
        variant="default"
        disabled={none}
        onClick={async () => {
          const answer = await ask({
            title: `Turn off ${counted(codes.length)}?`,
            body: "Visitors see that the link is not available. You can turn them on again.",
            action: "Turn off",
            reason: "none",
          });
          if (answer) await begin({ state: "disabled" });
        }}
      >
        Turn off
      </Button>
      <Button
        size="xs"
        variant="default"
        c="red"
        disabled={none}
        onClick={async () => {
          const answer = await ask({
            title: `Delete ${counted(codes.length)}?`,
            body:
              "They can be restored: choose the state Deleted, select them and turn them on. Codes are never reused. Statistics are kept.",
            action: "Delete",
            danger: true,
            reason: "none",
            type: codes.length > 10 ? String(codes.length) : undefined,
          });
          if (answer) await begin({ state: "deleted" });
        }}
      >
        Delete
      </Button>
      <Modal
        opened={tagging}
        onClose={() => setTagging(false)}
        title={`Tag ${counted(codes.length)}`}
        closeButtonProps={{ "aria-label": "Close" }}
        centered
      >
        {tagging && (
          <Tags
            save={(change) => {
              setTagging(false);
              void begin(change);
            }}
          />
        )}
      </Modal>
      <Modal
        opened={work !== undefined}
        onClose={() => stopped.current = true}
        withCloseButton={false}
        closeOnClickOutside={false}
        closeOnEscape={false}
        title="Changing links"
        centered
      >
        {work && (
          <Stack>
            <Progress
              value={100 - work.left.length / (work.left.length + work.done.length + work.refused.size) * 100}
              animated={work.fault === undefined}
              aria-label="Changing links"
            />
            <Text size="sm" role="status">
              {work.done.length.toLocaleString()} changed, {work.left.length.toLocaleString()} to go
              {work.refused.size > 0 && `, ${work.refused.size.toLocaleString()} refused`}.
            </Text>
            {work.fault && <Alert color="red" role="alert">{work.fault}</Alert>}
            <Group justify="flex-end">
              {work.fault
                ? (
                  <>
                    <Button
                      variant="default"
                      onClick={() => {
                        forget(work.done);
                        setWork(undefined);
                      }}
                    >
                      Close
                    </Button>
                    <Button onClick={() => void go(work)}>Continue</Button>
                  </>
                )
                : <Button variant="default" onClick={() => stopped.current = true}>Stop</Button>}
            </Group>
          </Stack>
        )}
      </Modal>
    </>
  );
}

function Tags({ save }: { save: (change: Change) => void }) {
  const [add, setAdd] = useState<string[]>([]);
  const [remove, setRemove] = useState<string[]>([]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    save({ ...(add.length > 0 && { add_tags: add }), ...(remove.length > 0 && { remove_tags: remove }) });
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        <TagsInput label="Tags to add" data-autofocus acceptValueOnBlur value={add} onChange={setAdd} />
        <TagsInput label="Tags to remove" acceptValueOnBlur value={remove} onChange={setRemove} />
        <Group justify="flex-end">
          <Button type="submit" disabled={add.length + remove.length === 0}>Save tags</Button>
        </Group>
      </Stack>
    </form>
  );
}
