/** Less common fields, section by section. A closed section shows a summary of its values. */
import { Accordion, Group, PasswordInput, SegmentedControl, Stack, Text } from "@mantine/core";
import { type ReactNode, useState } from "react";
import type { Section } from "../../../../../supabase/functions/_shared/contract/link_fields.ts";
import type { WaNumber } from "../words.ts";
import type { Draft } from "./body.ts";
import { isBelow, useFault, useForm } from "./fields.tsx";
import { PlainFields, plainOf, saidOf } from "./PlainFields.tsx";
import { RulesEditor } from "./RulesEditor.tsx";

interface Part {
  id: string;
  title: string;
  /** Description above the fields. */
  about?: string;
  /** Paths of its fields. */
  paths: string[];
  /** Summary of its values; empty for none. */
  said: (body: Draft) => string;
}

/** A section of plain fields. */
const plain = (id: Section, title: string, about?: string): Part => ({
  id,
  title,
  about,
  paths: plainOf(id).map(({ path }) => path),
  said: (body) => saidOf(id, body),
});

const PARTS: Part[] = [
  {
    id: "rules",
    title: "Targets for some visitors",
    paths: ["targets"],
    said: ({ targets = [] }) =>
      targets.length === 0 ? "" : `${targets.length} ${targets.length === 1 ? "rule" : "rules"}`,
  },
  plain("limits", "Validity and uses"),
  {
    id: "password",
    title: "Password",
    paths: ["password"],
    said: ({ password }) => password ? "a new one" : "",
  },
  plain(
    "campaign",
    "Campaign parameters",
    "Added to page URLs as utm_source and so on, unless the URL already has them. Set the campaign itself above.",
  ),
  plain(
    "preview",
    "Link preview",
    "Shown by messengers, if the link's domain can serve HTML; see docs/deploy.md.",
  ),
  plain("programs", "Integration"),
];

interface Props {
  numbers: WaNumber[];
  /** Whether the edited link has a password. */
  locked: boolean;
}

export function More({ numbers, locked }: Props) {
  const { body, refused } = useForm();
  const [opened, setOpened] = useState<string[]>(() => (body.targets?.length ?? 0) > 0 ? ["rules"] : []);
  // Opens the sections with faults, which nobody would look for in a closed one.
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
    password: <Password locked={locked} />,
  };
  return (
    <Accordion
      multiple
      variant="separated"
      value={opened}
      onChange={setOpened}
      chevronPosition="left"
      // Closed sections are not rendered, so that neither screen readers nor the browser's search find them.
      keepMounted={false}
    >
      {PARTS.map(({ id, title, about, said }) => {
        const words = id === "password" && locked && said(body) === "" ? passwordWords(body) : said(body);
        return (
          <Accordion.Item key={id} value={id}>
            <Accordion.Control>
              <Group justify="space-between" gap={4}>
                <Text size="sm" fw={600}>{title}</Text>
                {words && <Text size="xs" c="dimmed" style={{ overflowWrap: "anywhere" }}>{words}</Text>}
              </Group>
            </Accordion.Control>
            <Accordion.Panel>
              {about && <Text size="sm" c="dimmed" mb="sm">{about}</Text>}
              {content[id] ?? <PlainFields section={id as Section} />}
            </Accordion.Panel>
          </Accordion.Item>
        );
      })}
    </Accordion>
  );
}

const passwordWords = ({ password }: Draft) => (password as unknown) === null ? "removed" : "unchanged";

function Password({ locked }: { locked: boolean }) {
  const { body, set } = useForm();
  const error = useFault("password");
  const kept = body.password as string | null | undefined;
  const mode = kept === undefined ? "keep" : kept === null ? "none" : "new";
  const field = (
    <PasswordInput
      label={locked ? "New password" : "Password"}
      description="Visitors have to enter it. At least 8 characters. It is stored as a hash."
      autoComplete="new-password"
      error={error}
      value={kept ?? ""}
      onChange={({ currentTarget: { value } }) => set("password", value || (locked ? "" : undefined))}
      visibilityToggleButtonProps={{ "aria-label": "Show password" }}
    />
  );
  if (!locked) return field;
  return (
    <Stack gap="sm">
      <SegmentedControl
        aria-label="Password"
        data={[{ value: "keep", label: "Keep" }, { value: "new", label: "Change" }, {
          value: "none",
          label: "Remove",
        }]}
        value={mode}
        onChange={(to) => set("password", to === "keep" ? undefined : to === "none" ? null : "")}
      />
      {mode === "new" && field}
    </Stack>
  );
}
