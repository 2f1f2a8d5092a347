/** Retries or drops all deliveries that match the filter, however many there are, with progress. */
import { Alert, Button, Group, Modal, Progress, Stack, Text } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { rpc } from "../../data/query.ts";
import { Refusal } from "../../data/refusal.ts";
import { toast } from "../../data/toasts.tsx";
import { useAsk } from "../../ui/ask.tsx";
import { Icon } from "../../ui/icons.tsx";

/** Deliveries of one request: so few that it ends long before the database would stop it. */
const AT_ONCE = 200;

/** What is done, to which deliveries, how far it is, and why it does not go on. */
interface Work {
  act: "retry" | "drop";
  reason: string | null;
  /** Only what has not changed since this time is meant. */
  before: string;
  total: number;
  done: number;
  fault?: string;
}

interface Props {
  list: "dead" | "waiting";
  filter: { destination?: string; error?: string };
  /** Keys to invalidate. */
  touches: string[];
}

const WORDS = {
  retry: { act: "Retry", done: "retried", doing: "Retrying" },
  drop: { act: "Drop", done: "dropped", doing: "Dropping" },
};
const counted = (n: number) => n === 1 ? "1 delivery" : `${n.toLocaleString()} deliveries`;

export function Matching({ list, filter, touches }: Props) {
  const ask = useAsk();
  const queries = useQueryClient();
  const [counting, setCounting] = useState<Work["act"]>();
  const [work, setWork] = useState<Work>();
  const stopped = useRef(false);
  useEffect(() => () => void (stopped.current = true), []);
  const isRunning = work !== undefined && work.fault === undefined;
  const refresh = () =>
    Promise.all(touches.map((name) => queries.invalidateQueries({ queryKey: [name], exact: false })));

  async function go(from: Work) {
    stopped.current = false;
    let now: Work = { ...from, fault: undefined };
    setWork(now);
    try {
      while (!stopped.current) {
        const n = await rpc("change_matching_deliveries", {
          p_act: now.act,
          p_list: list,
          p_filter: filter,
          p_before: now.before,
          p_reason: now.reason,
          p_limit: AT_ONCE,
        });
        if (n === 0) break;
        now = { ...now, done: now.done + n };
        setWork(now);
      }
      setWork(undefined);
      toast({
        tone: "good",
        message: stopped.current
          ? `Stopped: ${now.done.toLocaleString()} of ${counted(now.total)} ${WORDS[now.act].done}.`
          : `${counted(now.done)} ${now.done === 1 ? "was" : "were"} ${WORDS[now.act].done}.`,
      });
    } catch (error) {
      const { message, hint } = error instanceof Refusal ? error : new Refusal("unknown", String(error));
      setWork({ ...now, fault: [message, hint].filter(Boolean).join(" ") });
    } finally {
      void refresh();
    }
  }

  async function begin(act: Work["act"]) {
    setCounting(act);
    try {
      const { count, before } = await rpc("count_matching_deliveries", { p_list: list, p_filter: filter });
      setCounting(undefined);
      if (count === 0) return toast({ tone: "good", message: "Nothing matches any more." });
      const where = filter.destination ? ` to ${filter.destination}` : "";
      const answer = await ask({
        title: `${WORDS[act].act} ${counted(count)}${where}?`,
        body: act === "retry"
          ? "All that match the filters, also those that are not shown. Each keeps its webhook-id; conversations stay in order."
          : "All that match the filters, also those that are not shown. The services will not receive these messages. They stay listed under Dropped, with your reason.",
        action: WORDS[act].act,
        danger: act === "drop",
        reason: act === "drop" ? "required" : "none",
      });
      if (answer) await go({ act, reason: answer.reason, before, total: count, done: 0 });
    } catch (error) {
      setCounting(undefined);
      const { message, hint } = error instanceof Refusal ? error : new Refusal("unknown", String(error));
      toast({ tone: "bad", title: "Action failed", message: [message, hint].filter(Boolean).join(" ") });
    }
  }

  return (
    <>
      <Button
        size="xs"
        variant="default"
        leftSection={<Icon name="retry" size={16} />}
        loading={counting === "retry"}
        onClick={() => void begin("retry")}
      >
        Retry all that match
      </Button>
      <Button
        size="xs"
        variant="default"
        loading={counting === "drop"}
        onClick={() => void begin("drop")}
      >
        Drop all that match
      </Button>
      <Modal
        opened={work !== undefined}
        onClose={() => stopped.current = true}
        withCloseButton={false}
        closeOnClickOutside={false}
        closeOnEscape={false}
        title={work && `${WORDS[work.act].doing} ${counted(work.total)}`}
        centered
      >
        {work && (
          <Stack>
            <Progress
              value={Math.min(100, work.done / work.total * 100)}
              animated={isRunning}
              aria-label={`${WORDS[work.act].doing} deliveries`}
            />
            <Text size="sm" role="status">
              {work.done.toLocaleString()} of {work.total.toLocaleString()} {WORDS[work.act].done}.
            </Text>
            {work.fault && <Alert color="red" role="alert">{work.fault}</Alert>}
            <Group justify="flex-end">
              {work.fault
                ? (
                  <>
                    <Button variant="default" onClick={() => setWork(undefined)}>Close</Button>
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
