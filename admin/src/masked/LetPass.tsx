/** Lets a text pass that detection held, with a reason. */
import { Button } from "@mantine/core";
import { useChange } from "../data/query.ts";
import { AskProvider, useAsk } from "../ui/ask.tsx";
import { letPass, TOUCHED } from "./api.ts";
import { WORDS } from "./words.ts";

interface Props {
  org: string;
  /** The decision that holds the text. */
  id: string;
}

/** With its own question: a sitter's page does without. */
export default function LetPass(props: Props) {
  return (
    <AskProvider>
      <Press {...props} />
    </AskProvider>
  );
}

function Press({ org, id }: Props) {
  const ask = useAsk();
  const change = useChange({
    act: (reason: string) => letPass(org, id, reason),
    touches: TOUCHED,
    said: () => WORDS.inbox.letPassSaid,
  });
  async function press() {
    const answer = await ask({
      title: WORDS.inbox.letPassTitle,
      body: WORDS.inbox.letPassBody,
      action: WORDS.inbox.letPass,
      reason: "required",
    });
    if (answer?.reason) change.mutate(answer.reason);
  }
  return (
    <Button size="xs" variant="default" loading={change.isPending} onClick={() => void press()}>
      {WORDS.inbox.letPass}
    </Button>
  );
}
