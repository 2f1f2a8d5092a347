/** The first steps of a new installation, which the system ticks itself, until all are done or the person hides them. */
import { Anchor, Button, Group, Progress, SimpleGrid, Text } from "@mantine/core";
import { useState } from "react";
import { Link } from "wouter";
import type { FirstSteps as Steps } from "../../../../supabase/functions/_shared/contract/answers/attention.ts";
import { project } from "../../data/client.ts";
import { useRpc } from "../../data/query.ts";
import { docAddress } from "../../ui/help.ts";
import { Icon } from "../../ui/icons.tsx";
import { Section } from "../../ui/Section.tsx";

interface Step {
  title: string;
  how: string;
  /** Where in the panel it is done; a `doc` is opened beside it. */
  to?: string;
  doc?: string;
}

const STEPS: Readonly<Record<Steps[number]["step"], Step>> = {
  clock: {
    title: "Background jobs run",
    how: "Retries, schedules and the guard need it.",
    doc: "deploy#6-clock",
  },
  webhook: {
    title: "First webhook from Meta",
    how: "Enter the address and the verify token in your Meta app.",
    doc: "deploy#9-meta-webhook",
  },
  destination: {
    title: "First destination",
    how: "Add the service that answers your customers.",
    to: "/deliveries?new=destination",
  },
  route: { title: "First route", how: "Decide which messages go there.", to: "/routes?edit=new" },
  delivered: {
    title: "First message delivered",
    how: "Write to your number from your own phone.",
    to: "/messages",
  },
  reply: {
    title: "First reply sent",
    how: "From your service, or by hand in a conversation.",
    to: "/messages",
  },
  link: { title: "First link", how: "For a poster, a mail or a page.", to: "/links/new" },
  click: { title: "First click", how: "Open your link, or scan its QR code.", to: "/links" },
  member: {
    title: "A colleague on the team",
    how: "Nobody should be on call alone.",
    to: "/settings?tab=team",
  },
  endpoint: {
    title: "Alerts",
    how: "Notify Slack or a webhook when something fails.",
    to: "/settings?tab=notifications",
  },
};

const kept = () => `gatelink-first-steps:${new URL(project().url).host}`;
const isHidden = (): boolean => {
  try {
    return localStorage.getItem(kept()) === "hidden";
  } catch {
    return false;
  }
};

export function FirstSteps() {
  const [hidden, setHidden] = useState(isHidden);
  const { data } = useRpc("first_steps", {}, { enabled: !hidden });
  if (hidden || data === undefined) return null;
  const done = data.filter(({ done }) => done).length;
  if (done === data.length) return null;
  const hide = () => {
    try {
      localStorage.setItem(kept(), "hidden");
    } catch {
      // Hidden until the page is loaded again.
    }
    setHidden(true);
  };
  return (
    <Section
      title="First steps"
      about={`${done} of ${data.length} done. Gatelink notices by itself.`}
      actions={<Button size="xs" variant="subtle" color="gray" onClick={hide}>Hide</Button>}
    >
      <Progress
        value={100 * done / data.length}
        size="sm"
        mb="md"
        aria-label={`${done} of ${data.length} steps`}
      />
      <SimpleGrid
        cols={{ base: 1, sm: 2 }}
        spacing="xs"
        component="ol"
        style={{ listStyle: "none", margin: 0, padding: 0 }}
      >
        {data.map(({ step, done }) => <Line key={step} of={STEPS[step]} done={done} />)}
      </SimpleGrid>
    </Section>
  );
}

function Line({ of: { title, how, to, doc }, done }: { of: Step; done: boolean }) {
  return (
    <Group component="li" gap="sm" wrap="nowrap" align="flex-start">
      <Text span c={done ? "var(--good)" : "dimmed"} lh={1} mt={2}>
        <Icon name={done ? "check" : "circle"} size={18} />
      </Text>
      <div style={{ minWidth: 0 }}>
        {done ? <Text size="sm" c="dimmed">{title}: done</Text> : to === undefined
          ? (
            <Anchor
              size="sm"
              fw={600}
              underline="always"
              href={docAddress(doc!)}
              target="_blank"
              rel="noreferrer"
            >
              {title}
            </Anchor>
          )
          : <Anchor component={Link} href={to} size="sm" fw={600} underline="always">{title}</Anchor>}
        {!done && <Text size="xs" c="dimmed">{how}</Text>}
      </div>
    </Group>
  );
}
