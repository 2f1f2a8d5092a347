/** What only some links need, section by section; a closed one says what it holds. */
import { Accordion, Group, PasswordInput, SegmentedControl, SimpleGrid, Stack, Text } from "@mantine/core";
import { type ReactNode, useState } from "react";
import { useFlags } from "../../../data/flags.ts";
import { exact } from "../../../ui/Time.tsx";
import type { WaNumber } from "../types.ts";
import { cleaned, type Draft } from "./body.ts";
import {
  AreaField,
  isBelow,
  MomentField,
  NumberField,
  SuggestField,
  SwitchField,
  TextField,
  useFault,
  useForm,
} from "./fields.tsx";
import { RulesEditor } from "./RulesEditor.tsx";

interface Part {
  id: string;
  title: string;
  /** Paths of what stands in it. */
  paths: string[];
  /** What it holds, in words; empty for nothing. */
  said: (body: Draft) => string;
}

const list = (...parts: (string | false | undefined | 0)[]) => parts.filter(Boolean).join(", ");
const day = (at: string | undefined) => at && exact(new Date(at));

const PARTS: Part[] = [
  {
    id: "rules",
    title: "Other places for some visitors",
    paths: ["targets"],
    said: ({ targets = [] }) =>
      targets.length === 0 ? "" : `${targets.length} ${targets.length === 1 ? "rule" : "rules"}`,
  },
  {
    id: "limits",
    title: "Time and uses",
    paths: ["starts_at", "expires_at", "max_uses", "expired_url"],
    said: ({ starts_at, expires_at, max_uses }) =>
      list(
        starts_at && `from ${day(starts_at)}`,
        expires_at && `until ${day(expires_at)}`,
        max_uses && `${max_uses.toLocaleString()} ${max_uses === 1 ? "use" : "uses"}`,
      ),
  },
  {
    id: "password",
    title: "Password",
    paths: ["password"],
    said: ({ password }) => password ? "a new one" : "",
  },
  {
    id: "campaign",
    title: "Campaign parameters",
    paths: ["utm.source", "utm.medium", "utm.term", "utm.content", "pass_query"],
    said: ({ utm: { campaign: _, ...utm } = {}, pass_query }) =>
      list(
        ...Object.entries(cleaned(utm)).map(([name, value]) => `${name} ${value}`),
        pass_query && "passed through",
      ),
  },
  {
    id: "preview",
    title: "What messengers show",
    paths: ["preview"],
    said: ({ preview }) => preview?.title ?? list(preview && Object.keys(cleaned(preview)).join(", ")),
  },
  {
    id: "programs",
    title: "For programs and rollouts",
    paths: ["external_id", "flag_key", "fingerprint"],
    said: ({ external_id, flag_key, fingerprint }) =>
      list(
        external_id && `external id ${external_id}`,
        flag_key && `flag ${flag_key}`,
        fingerprint && "fingerprint",
      ),
  },
];

interface Props {
  numbers: WaNumber[];
  /** Whether the link that is changed has a password. */
  locked: boolean;
}

export function More({ numbers, locked }: Props) {
  const { body, refused } = useForm();
  const [opened, setOpened] = useState<string[]>(() => (body.targets?.length ?? 0) > 0 ? ["rules"] : []);
  // Nobody looks for a fault in what is closed.
  const [told, setTold] = useState(refused);
  if (refused !== told) {
    setTold(refused);
    const faulty = PARTS.filter(({ paths }) =>
      paths.some((path) => refused?.faults.some((fault) => isBelow(path, fault)))
    );
    setOpened([...new Set([...opened, ...faulty.map(({ id }) => id)])]);
  }
  const content: Record<string, ReactNode> = {
    rules: <RulesEditor numbers={numbers} />,
    limits: <Limits />,
    password: <Password locked={locked} />,
    campaign: <Campaign />,
    preview: <Shown />,
    programs: <Programs />,
  };
  return (
    <Accordion
      multiple
      variant="separated"
      value={opened}
      onChange={setOpened}
      chevronPosition="left"
      // What is closed is not there: neither for a screen reader nor for the browser's own search.
      keepMounted={false}
    >
      {PARTS.map(({ id, title, said }) => {
        const words = id === "password" && locked && said(body) === "" ? passwordWords(body) : said(body);
        return (
          <Accordion.Item key={id} value={id}>
            <Accordion.Control>
              <Group justify="space-between" gap={4}>
                <Text size="sm" fw={600}>{title}</Text>
                {words && <Text size="xs" c="dimmed" style={{ overflowWrap: "anywhere" }}>{words}</Text>}
              </Group>
            </Accordion.Control>
            <Accordion.Panel>{content[id]}</Accordion.Panel>
          </Accordion.Item>
        );
      })}
    </Accordion>
  );
}

const passwordWords = ({ password }: Draft) => (password as unknown) === null ? "taken away" : "as it is";

function Limits() {
  return (
    <Stack gap="sm">
      <SimpleGrid cols={{ base: 1, xs: 2 }}>
        <MomentField path="starts_at" label="Begins at" />
        <MomentField path="expires_at" label="Ends at" />
      </SimpleGrid>
      <NumberField
        path="max_uses"
        label="Uses at most"
        description="Visits of people. 1 for a link that works once; bots and previews take none."
        min={1}
      />
      <TextField
        path="expired_url"
        label="Where visits go when it cannot be used"
        description="Before it begins, after it ended, used up or turned off. Without it they are told why."
        type="url"
        placeholder="https://www.example.com/over"
      />
    </Stack>
  );
}

function Password({ locked }: { locked: boolean }) {
  const { body, set } = useForm();
  const error = useFault("password");
  const kept = body.password as string | null | undefined;
  const mode = kept === undefined ? "keep" : kept === null ? "none" : "new";
  const field = (
    <PasswordInput
      label={locked ? "New password" : "Password"}
      description="Visitors are asked for it. At least 8 characters; it is kept as a hash, and nobody can read it."
      autoComplete="new-password"
      error={error}
      value={kept ?? ""}
      onChange={({ currentTarget: { value } }) => set("password", value || (locked ? "" : undefined))}
      visibilityToggleButtonProps={{ "aria-label": "Show the password" }}
    />
  );
  if (!locked) return field;
  return (
    <Stack gap="sm">
      <SegmentedControl
        aria-label="The password of the link"
        data={[{ value: "keep", label: "Keep it" }, { value: "new", label: "Another one" }, {
          value: "none",
          label: "None",
        }]}
        value={mode}
        onChange={(to) => set("password", to === "keep" ? undefined : to === "none" ? null : "")}
      />
      {mode === "new" && field}
    </Stack>
  );
}

function Campaign() {
  return (
    <Stack gap="sm">
      <Text size="sm" c="dimmed">
        Added to pages as utm_source and so on, unless the page's address has them. The campaign itself stands
        above.
      </Text>
      <SimpleGrid cols={{ base: 1, xs: 2 }}>
        <TextField path="utm.source" label="Source" placeholder="poster" />
        <TextField path="utm.medium" label="Medium" placeholder="print" />
        <TextField path="utm.term" label="Term" />
        <TextField path="utm.content" label="Content" />
      </SimpleGrid>
      <SwitchField
        path="pass_query"
        label="Pass the visit's own parameters on"
        description="What follows the ? when somebody opens the link is added to the page's address."
      />
    </Stack>
  );
}

function Shown() {
  return (
    <Stack gap="sm">
      <Text size="sm" c="dimmed">Where the link's domain can serve HTML; see docs/deploy.md.</Text>
      <TextField path="preview.title" label="Title" />
      <AreaField path="preview.description" label="Description" />
      <TextField
        path="preview.image"
        label="Address of the image"
        type="url"
        placeholder="https://www.example.com/card.png"
      />
    </Stack>
  );
}

function Programs() {
  const flags = useFlags();
  return (
    <Stack gap="sm">
      <TextField
        path="external_id"
        label="External id"
        description="Your own name for it. A second link with the same one is refused."
      />
      <SuggestField
        path="flag_key"
        label="Only where this flag is on"
        description="For everybody else the link leads to its page. Besides deeplinks.enabled."
        data={(flags.data ?? []).map(({ key }) => key)}
      />
      <SwitchField
        path="fingerprint"
        label="An app's first open may be matched by network and platform"
        description="A guess, for installs without a referrer. Never from a shared or private address."
      />
    </Stack>
  );
}
