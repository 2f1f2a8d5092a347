/** Asks for confirmation and a reason before an action that affects others or cannot be undone. */
import { Button, Group, Modal, Stack, Text, Textarea, TextInput } from "@mantine/core";
import {
  createContext,
  type FormEvent,
  type ReactNode,
  useCallback,
  useContext,
  useRef,
  useState,
} from "react";

export interface Question {
  title: string;
  /** What will happen, and who is affected. */
  body?: ReactNode;
  /** Label of the confirming button: "Turn off", never "OK". */
  action: string;
  /** Makes the button red, for harmful actions. */
  danger?: boolean;
  /** Whether to ask for a reason, which is recorded in the history. @default "optional" */
  reason?: "required" | "optional" | "none";
  /** Text to type first, for what cannot be undone. */
  type?: string;
}

/** The reason given; undefined if the person cancelled. */
export type Answer = { reason: string | null } | undefined;
type Ask = (question: Question) => Promise<Answer>;

const AskContext = createContext<Ask | undefined>(undefined);

/** Returns `ask`: `const answer = await ask({ title: …, action: … }); if (!answer) return;` */
export function useAsk(): Ask {
  const ask = useContext(AskContext);
  if (!ask) throw new Error("useAsk() is for what is inside of AskProvider");
  return ask;
}

export function AskProvider({ children }: { children: ReactNode }) {
  const [question, setQuestion] = useState<Question>();
  const [opened, setOpened] = useState(false);
  const answer = useRef<(answer: Answer) => void>(undefined);
  // A click beside a question is no answer, and loses no reason that was typed: the same question has it again.
  const reasons = useRef(new Map<string, string>());
  const ask = useCallback<Ask>((question) => {
    setQuestion(question);
    setOpened(true);
    return new Promise((resolve) => answer.current = resolve);
  }, []);
  const close = (value: Answer) => {
    setOpened(false);
    if (value && question) reasons.current.delete(question.title);
    answer.current?.(value);
  };
  return (
    <AskContext value={ask}>
      {children}
      <Modal
        opened={opened}
        onClose={() => close(undefined)}
        title={question?.title}
        closeButtonProps={{ "aria-label": "Close" }}
        // Above drawers, from which it may be asked, and below notifications.
        zIndex={300}
        centered
      >
        {question && (
          <Form
            key={question.title}
            question={question}
            reasons={reasons.current}
            close={close}
          />
        )}
      </Modal>
    </AskContext>
  );
}

function Form({ question, reasons, close }: {
  question: Question;
  /** Reasons that were typed and not sent, by the title of their question. */
  reasons: Map<string, string>;
  close: (answer: Answer) => void;
}) {
  const { body, action, danger, reason: wanted = "optional", type } = question;
  const [reason, setReason] = useState(reasons.get(question.title) ?? "");
  const [typed, setTyped] = useState("");
  const ready = (wanted !== "required" || reason.trim() !== "") && (type === undefined || typed === type);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (ready) close({ reason: reason.trim() || null });
  };
  return (
    <form onSubmit={submit} data-question>
      <Stack>
        {body && <Text component="div" size="sm">{body}</Text>}
        {wanted !== "none" && (
          <Textarea
            label="Reason"
            description="Recorded in the history."
            required={wanted === "required"}
            autosize
            minRows={2}
            data-autofocus
            value={reason}
            onChange={(event) => {
              setReason(event.currentTarget.value);
              reasons.set(question.title, event.currentTarget.value);
            }}
            onKeyDown={(event) => event.key === "Enter" && (event.metaKey || event.ctrlKey) && submit(event)}
          />
        )}
        {type !== undefined && (
          <TextInput
            label={`Type ${type} to confirm`}
            autoComplete="off"
            value={typed}
            onChange={(event) => setTyped(event.currentTarget.value)}
          />
        )}
        <Group justify="flex-end">
          <Button variant="default" onClick={() => close(undefined)}>Cancel</Button>
          <Button type="submit" color={danger ? "red" : undefined} disabled={!ready}>{action}</Button>
        </Group>
      </Stack>
    </form>
  );
}
