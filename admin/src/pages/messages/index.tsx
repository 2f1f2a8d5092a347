/** Conversations and their messages. */
import { Anchor, Box, Text } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { navigate, useHashSearch, useParameter } from "../../ui/location.ts";
import { useSpan } from "../../ui/span.ts";
import { For } from "../../session/me.tsx";
import { Page } from "../../ui/Page.tsx";
import { Empty } from "../../ui/states.tsx";
import { ConversationList } from "./ConversationList.tsx";
import { ConversationView } from "./ConversationView.tsx";
import { InSpan } from "./InSpan.tsx";
import { StoryDrawer } from "./StoryDrawer.tsx";
import classes from "./messages.module.css";

export default function Messages() {
  const [query, setQuery] = useParameter("q");
  const [conversation] = useParameter("conversation");
  const [message, setMessage] = useParameter("message");
  const [span] = useSpan();
  const here = useHashSearch();
  const wide = useMediaQuery("(min-width: 62em)", true, { getInitialValueInEffect: false });

  const search = (changes: Record<string, string>) => {
    const kept = new URLSearchParams(here);
    kept.delete("message");
    for (const [name, value] of Object.entries(changes)) {
      if (value === "") kept.delete(name);
      else kept.set(name, value);
    }
    return `/messages?${kept}`;
  };
  const list = span
    ? <InSpan span={span} open={(id, message) => navigate(search({ conversation: id, message }))} />
    : (
      <ConversationList
        query={query}
        onQuery={setQuery}
        selected={conversation}
        open={(id, found) => navigate(search({ conversation: id, message: found ?? "" }))}
      />
    );
  return (
    <Page
      title="Messages"
      about={(wide || !conversation) && (
        <>
          {span ? "Messages of one span of time, newest first." : "Newest conversations first, updated live."}
          <For role="operator" otherwise=" Only operators can see message texts.">{null}</For>
        </>
      )}
      back={!wide && conversation && (
        <Anchor size="sm" href={`#${search({ conversation: "" })}`}>
          {span ? "← All messages of this time" : "← All conversations"}
        </Anchor>
      )}
    >
      <div className={classes.split}>
        {(wide || !conversation) && <Box className={classes.pane}>{list}</Box>}
        {conversation
          ? (
            <Box className={classes.pane}>
              <ConversationView key={conversation} id={conversation} open={setMessage} />
            </Box>
          )
          : wide && (
            <Box className={classes.pane}>
              <Empty icon="chat" title="Choose a conversation">
                <Text size="sm">Its messages are shown here, with where each was sent and why.</Text>
              </Empty>
            </Box>
          )}
      </div>
      <StoryDrawer id={message} close={() => setMessage("")} />
    </Page>
  );
}
