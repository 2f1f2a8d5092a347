/** One message: its text and its status. */
import { Text, UnstyledButton } from "@mantine/core";
import { routingReasonInWords } from "../../../../supabase/functions/_shared/contract/words/routing.ts";
import { useMay } from "../../session/me.tsx";
import { useNames } from "../../session/team.ts";
import { Contact } from "../../ui/Contact.tsx";
import { State } from "../../ui/State.tsx";
import { Time } from "../../ui/Time.tsx";
import type { Message } from "../../../../supabase/functions/_shared/contract/answers/messages.ts";
import { MailHead } from "../mail/MailHead.tsx";
import { Complain } from "./Complain.tsx";
import { hasFile, MediaFile } from "./MediaFile.tsx";
import { errorWords, lineOf, stateOf, writtenAt } from "./words.ts";
import classes from "./messages.module.css";

export function Bubble({ message, open }: { message: Message; open: (id: string) => void }) {
  const out = message.direction === "out";
  const words = useMay("operator");
  const names = useNames();
  return (
    <div className={`${classes.row} ${out ? classes.out : ""}`}>
      <div className={classes.bubble}>
        {message.author && (
          <Text size="xs" c="dimmed" component="div">
            <Contact id={message.author.last_four ?? "????"} name={message.author.name} />
          </Text>
        )}
        {message.written_by && (
          <Text size="xs" c="dimmed" component="div" title="Who of the team wrote it">
            {names(message.written_by)}
          </Text>
        )}
        {message.mail && <MailHead mail={message.mail} direction={message.direction} />}
        <Text
          size="sm"
          dir={message.text ? "auto" : undefined}
          className={classes.words}
          c={message.text ? undefined : "dimmed"}
          fs={message.text ? undefined : "italic"}
        >
          {lineOf(message)}
          {!words && ", text hidden"}
        </Text>
        {words && hasFile(message) && <MediaFile message={message} />}
        <div className={classes.how}>
          <Time at={writtenAt(message)} />
          {message.imported && (
            <State size="xs" tone="plain" title="Written before the number was connected: routed to nobody.">
              imported
            </State>
          )}
          {out ? <Sent message={message} /> : !message.imported && <Went message={message} />}
          {message.link && <span>by link {message.link}</span>}
          <UnstyledButton
            className={classes.link}
            onClick={() => open(message.id)}
            aria-label={`Details of ${lineOf(message).slice(0, 40)}`}
          >
            Details
          </UnstyledButton>
          {!out && words && <Complain message={message.id} />}
        </div>
      </div>
    </div>
  );
}

function Sent({ message: { status, error } }: { message: Message }) {
  if (status === "failed") {
    return <State size="xs" tone="bad" title={errorWords(error)}>failed</State>;
  }
  if (status === "unknown") {
    return (
      <State size="xs" tone="warn" title="The provider's answer was lost: nobody knows yet whether it went.">
        unknown
      </State>
    );
  }
  return <span>{status}</span>;
}

const IN_WORDS = `No route was asked: ${routingReasonInWords("masked")}.`;

function Went({ message: { route, deliveries } }: { message: Message }) {
  if (route === null && deliveries.length === 0) return <State size="xs" tone="warn">not routed yet</State>;
  if (route?.reason === "no_match" && deliveries.length === 0) {
    return <State size="xs" tone="plain">no route</State>;
  }
  if (route?.reason === "masked" && deliveries.length === 0) {
    return <State size="xs" tone="plain" title={IN_WORDS}>masked thread</State>;
  }
  return deliveries.map((delivery) => {
    const [tone, word] = stateOf(delivery);
    return delivery.state === "delivered"
      ? <span key={delivery.id}>→ {delivery.destination}</span>
      : (
        <State key={delivery.id} size="xs" tone={tone} asWritten>
          {delivery.destination}: {word}
        </State>
      );
  });
}
