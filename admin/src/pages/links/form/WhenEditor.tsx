/** When a rule applies: any conditions that links support, each at most once. All of them have to hold. */
import {
  ActionIcon,
  Code,
  Group,
  Input,
  MultiSelect,
  SegmentedControl,
  Select,
  SimpleGrid,
  Stack,
  Text,
} from "@mantine/core";
import type { ReactNode } from "react";
import type { When } from "../../../../../supabase/functions/_shared/contract/links.ts";
import { Icon } from "../../../ui/icons.tsx";
import { WindowFields } from "../../../ui/WindowFields.tsx";
import { freshWindow } from "../../../ui/windows.ts";
import { IN_APP_NAMES, PLATFORM_NAMES } from "../words.ts";
import { COUNTRIES, countryName } from "./countries.ts";
import { MomentField, NumberField, TagsField, useFault, useForm } from "./fields.tsx";
import { QueryEditor } from "./QueryEditor.tsx";
import { valueAt } from "./body.ts";

type Name = keyof When;

/** Conditions in the order of the menu, each with its initial value. */
const CONDITIONS: Record<Name, { label: string; fresh: () => unknown; hint?: string }> = {
  platform: { label: "Platform", fresh: () => [] },
  country: {
    label: "Country",
    fresh: () => [],
    hint: "Only known if a proxy in front of the link reports it.",
  },
  language: { label: "Language", fresh: () => [], hint: "The visitor's preferred language." },
  referrer: {
    label: "Referrer",
    fresh: () => [],
    hint: "Hosts such as news.example.com, including their subdomains.",
  },
  query: { label: "URL parameters", fresh: () => ({}) },
  in_app: {
    label: "In-app browser",
    fresh: () => true,
    hint: "Instagram, Facebook and others open links in their own browser, which opens no other apps.",
  },
  visitor: { label: "New or returning", fresh: () => "new" },
  weight: {
    label: "Share of visitors",
    fresh: () => 50,
    hint: "Rules with a share divide the visitors in order. A visitor always gets the same rule.",
  },
  date: { label: "Dates", fresh: () => ({}) },
  time: { label: "Days and times", fresh: freshWindow },
};

const LANGUAGES = [
  "ar",
  "de",
  "en",
  "es",
  "fr",
  "he",
  "hi",
  "id",
  "it",
  "ja",
  "nl",
  "pl",
  "pt",
  "pt-br",
  "ru",
  "tr",
  "zh",
];
const PLATFORMS = Object.entries(PLATFORM_NAMES).map(([value, label]) => ({ value, label }));
const IN_APPS = Object.entries(IN_APP_NAMES).map(([value, label]) => ({ value, label }));

export function WhenEditor({ path, rule }: { path: string; rule: number }) {
  const { body, set } = useForm();
  const when = (valueAt(body, path) ?? {}) as Record<string, unknown>;
  const names = Object.keys(when);
  const left = (Object.keys(CONDITIONS) as Name[]).filter((name) => !names.includes(name));
  return (
    <Stack gap="sm">
      {names.map((name) => (
        <Group key={name} align="flex-start" wrap="nowrap" gap="xs">
          <div style={{ flex: 1, minWidth: 0 }}>
            <Condition name={name as Name} path={`${path}.${name}`} rule={rule} />
          </div>
          <ActionIcon
            variant="subtle"
            color="gray"
            aria-label={`Rule ${rule}: remove condition ${
              (CONDITIONS[name as Name]?.label ?? name).toLowerCase()
            }`}
            title="Remove this condition"
            mt={22}
            onClick={() => set(`${path}.${name}`, undefined)}
          >
            <Icon name="cross" size={16} />
          </ActionIcon>
        </Group>
      ))}
      {names.length === 0 && (
        <Text size="sm" c="dimmed">This rule applies to all visitors. Later rules are never evaluated.</Text>
      )}
      {left.length > 0 && (
        <Select
          aria-label={`Add condition to rule ${rule}`}
          placeholder="Add condition"
          leftSection={<Icon name="plus" size={16} />}
          data={left.map((name) => ({ value: name, label: CONDITIONS[name].label }))}
          value={null}
          onChange={(name) => name && set(`${path}.${name}`, CONDITIONS[name as Name].fresh())}
        />
      )}
    </Stack>
  );
}

interface Props {
  name: Name;
  path: string;
  rule: number;
}

function Condition({ name, path, rule }: Props) {
  const { body, set } = useForm();
  const value = valueAt(body, path);
  const error = useFault(path);
  const known = CONDITIONS[name];
  if (!known) return <Unknown name={name} value={value} />;
  const { label, hint } = known;
  const of = `${label} of rule ${rule}`;
  switch (name) {
    case "platform":
      return (
        <Titled title={label} hint={hint}>
          <MultiSelect
            aria-label={`Platforms of rule ${rule}`}
            placeholder={(value as string[]).length === 0 ? "Choose" : undefined}
            data={PLATFORMS}
            error={error}
            value={[value].flat() as string[]}
            onChange={(platforms) => set(path, platforms)}
          />
        </Titled>
      );
    case "country":
      return (
        <Titled title={label} hint={hint}>
          <MultiSelect
            aria-label={of}
            placeholder={(value as string[]).length === 0 ? "Choose" : undefined}
            searchable
            data={withStored([value].flat() as string[])}
            error={error}
            value={[value].flat() as string[]}
            onChange={(countries) => set(path, countries)}
          />
        </Titled>
      );
    case "language":
      return (
        <Titled title={label} hint={hint}>
          <TagsField path={path} label={of} unseen data={LANGUAGES} shape={(text) => text.toLowerCase()} />
        </Titled>
      );
    case "referrer":
      return (
        <Titled title={label} hint={hint}>
          <TagsField path={path} label={of} unseen shape={hostOf} />
        </Titled>
      );
    case "query":
      return (
        <Titled title={label} hint={hint}>
          <QueryEditor path={path} rule={rule} />
        </Titled>
      );
    case "in_app": {
      const named = typeof value !== "boolean";
      return (
        <Titled title={label} hint={hint}>
          <SegmentedControl
            aria-label={of}
            fullWidth
            data={[
              { value: "true", label: "Any app" },
              { value: "named", label: "These apps" },
              { value: "false", label: "No app" },
            ]}
            value={named ? "named" : String(value)}
            onChange={(kind) => set(path, kind === "named" ? [] : kind === "true")}
          />
          {named && (
            <MultiSelect
              aria-label={`Apps of rule ${rule}`}
              searchable
              data={IN_APPS}
              error={error}
              value={[value].flat() as string[]}
              onChange={(apps) => set(path, apps)}
            />
          )}
        </Titled>
      );
    }
    case "visitor":
      return (
        <Titled title={label} hint={hint}>
          <SegmentedControl
            aria-label={of}
            fullWidth
            data={[{ value: "new", label: "New" }, { value: "returning", label: "Returning" }]}
            value={String(value)}
            onChange={(kind) => set(path, kind)}
          />
        </Titled>
      );
    case "weight":
      return (
        <Titled title={label} hint={hint}>
          <NumberField path={path} label={of} unseen min={0} max={100} step={0.01} suffix=" %" empty="" />
        </Titled>
      );
    case "date":
      return (
        <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="xs">
          <MomentField path={`${path}.from`} label="From" />
          <MomentField path={`${path}.until`} label="Until" />
        </SimpleGrid>
      );
    case "time":
      return (
        <Titled title={label} hint={hint}>
          <WindowFields
            value={value as ReturnType<typeof freshWindow>}
            onChange={(window) => set(path, window)}
            label={`Days and times of rule ${rule}`}
            error={error}
          />
        </Titled>
      );
  }
}

/** A condition written by a newer version, kept unchanged. */
function Unknown({ name, value }: { name: string; value: unknown }) {
  return (
    <Titled title={name} hint="This panel does not support this condition. It is kept unchanged.">
      <Code block>{JSON.stringify(value)}</Code>
    </Titled>
  );
}

function Titled({ title, hint, children }: { title: string; hint?: string; children: ReactNode }) {
  return (
    <Stack gap={4}>
      <div>
        <Input.Label component="div" labelElement="div">{title}</Input.Label>
        {hint && <Input.Description>{hint}</Input.Description>}
      </div>
      {children}
    </Stack>
  );
}

/** Reduces a whole URL to its host. */
function hostOf(text: string): string {
  const address = text.trim().toLowerCase();
  return URL.canParse(address) ? new URL(address).hostname || address : address.replace(/\/.*$/, "");
}

/** The countries to choose from, with those of the rule that no list knows: another program wrote them. */
const withStored = (codes: string[]) => [
  ...COUNTRIES,
  ...codes.filter((code) => !COUNTRIES.some(({ value }) => value === code))
    .map((code) => ({ value: code, label: countryName(code) })),
];
