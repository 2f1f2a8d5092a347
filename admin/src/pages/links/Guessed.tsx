/** Warns the team that somebody is guessing link passwords. */
import { Alert, Anchor, Text } from "@mantine/core";
import { Link as To } from "wouter";
import { useRpc } from "../../data/query.ts";
import { Icon } from "../../ui/icons.tsx";

/** Number of links that are listed; the others are only counted. */
const MOST = 5;

/** A warning about this link, or about any. Renders nothing while nobody is guessing. */
export function GuessedLinks({ code }: { code?: string }) {
  const { data = [] } = useRpc("guessed_links", {});
  const guessed = data.filter((link) => code === undefined || link.code === code);
  if (guessed.length === 0) return null;
  return (
    <Alert
      color="red"
      role="alert"
      icon={<Icon name="warn" />}
      title={guessed.length === 1 ? "Somebody is guessing a password" : "Somebody is guessing passwords"}
    >
      {guessed.slice(0, MOST).map(({ code, wrong }) => (
        <Text key={code} size="sm">
          <Anchor component={To} href={`/links/at/${code}`} ff="monospace" c="inherit" underline="always">
            {code}
          </Anchor>{" "}
          had {wrong} wrong passwords in the last two hours.
        </Text>
      ))}
      {guessed.length > MOST && <Text size="sm">And {guessed.length - MOST} more links.</Text>}
      <Text size="sm">
        Each network has to wait longer after each wrong password. If the password is short, set a longer one.
      </Text>
    </Alert>
  );
}
