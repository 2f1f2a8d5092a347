/** One route: its condition, its destinations and its history. */
import {
  Alert,
  Button,
  Code,
  Group,
  MultiSelect,
  NumberInput,
  SegmentedControl,
  Stack,
  Switch,
  TagsInput,
  Text,
  TextInput,
} from "@mantine/core";
import { type FormEvent, useState } from "react";
import { compile } from "../../../../supabase/functions/_shared/routing/compile.ts";
import {
  type Condition,
  ConditionError,
  isForMailAlone,
  parseCondition,
} from "../../../../supabase/functions/_shared/contract/routing/condition.ts";
import { rpc, useChange } from "../../data/query.ts";
import type { Refusal } from "../../data/refusal.ts";
import { useMay } from "../../session/me.tsx";
import { useAsk } from "../../ui/ask.tsx";
import { FlagPicker } from "../../ui/FlagPicker.tsx";
import { useDraft } from "../../session/draft.ts";
import { Icon } from "../../ui/icons.tsx";
import { Restored } from "../../session/Restored.tsx";
import { ConditionEditor } from "./ConditionEditor.tsx";
import { CHANNELS } from "./data.ts";
import { History } from "./History.tsx";
import type { Changes, WholeRoute } from "./types.ts";

const TOUCHES = ["routes", "route_destinations", "route_history", "destination_health"];

/**
 * Saves a route, or creates one. Checks the condition as the router will. @throws {ConditionError} {Refusal}
 */
async function save(
  { route, id, changes }: { route: WholeRoute | undefined; id: string; changes: Changes },
): Promise<{ id: string; version: number }> {
  await compile(parseCondition(changes.condition));
  if (route) return await rpc("set_route", { p_id: route.id, p_version: route.version, p_changes: changes });
  const { condition, destinations, name, mode, flag_key, sticky_minutes, channels } = changes;
  return await rpc("add_route", {
    p_destinations: destinations ?? [],
    p_condition: condition,
    p_priority: 100,
    p_options: { id, name: name || undefined, mode, flag_key, sticky_minutes, channels },
  });
}

/** Gives a route back what it was before a version, if nothing has changed it since. Its position stays. */
async function undone(
  { id, name, condition, destinations, mode, flag_key, sticky_minutes, channels, active }: WholeRoute,
  version: number,
): Promise<string> {
  const changes = { name, condition, destinations, mode, flag_key, sticky_minutes, channels, active };
  await rpc("set_route", { p_id: id, p_version: version, p_changes: changes });
  return `Undone: ${name} is as before.`;
}

interface Props {
  /** The current route; undefined for a new one. */
  route: WholeRoute | undefined;
  destinations: string[];
  close: () => void;
}

/** The form is reset only when the person asks to see another person's change. */
export function RouteEditor(props: Props) {
  const [round, setRound] = useState(0);
  return <Form key={round} {...props} again={() => setRound(round + 1)} />;
}

function Form({ route: now, destinations, close, again }: Props & { again: () => void }) {
  // The route when the form was opened, or when the draft of it was begun. A save sends the change from it, or is a conflict.
  const draft = useDraft(`route:${now?.id ?? "new"}`, now);
  const route = draft.base;
  const may = useMay("operator");
  const ask = useAsk();
  const [name, setName] = draft.field("name", route?.name ?? "");
  const [condition, setCondition] = draft.field<Condition>("condition", route?.condition ?? { type: "any" });
  const [to, setTo] = draft.field("to", route?.destinations ?? []);
  const [mode, setMode] = draft.field("mode", route?.mode ?? "first");
  const [flag, setFlag] = draft.field("flag", route?.flag_key ?? "");
  const [sticky, setSticky] = draft.field<number | string>("sticky", route?.sticky_minutes ?? "");
  const [channels, setChannels] = draft.field("channels", route?.channels ?? ["whatsapp"]);
  const [active, setActive] = draft.field("active", route?.active ?? true);
  const [fault, setFault] = useState<string>();
  const write = useChange({
    act: save,
    touches: TOUCHES,
    said: () => "Saved. It takes effect within 5 seconds.",
    undo: ({ version }, { route }) => route && !route.fault ? () => undone(route, version) : undefined,
    onRefused: (refusal: Refusal | ConditionError) => {
      // A conflict is shown by the route itself, which has been read again.
      if ("conflict" in refusal && refusal.conflict) return true;
      setFault(
        refusal instanceof ConditionError
          ? refusal.message
          : refusal.code === "23505"
          ? "Another route already has this name."
          : [refusal.message, refusal.hint].filter(Boolean).join(" "),
      );
      return true;
    },
  });
  const remove = useChange({
    act: () => rpc("remove_route", { p_id: route!.id }),
    touches: TOUCHES,
    said: () => `${route!.name} was removed.`,
  });
  const done = () => {
    draft.clear();
    close();
  };
  const lacksMail = isForMailAlone(condition) && !channels.includes("email") &&
    "Only a mail can meet the condition: add email.";
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setFault(undefined);
    if (lacksMail) return;
    const changes: Changes = {
      name: name.trim(),
      condition,
      destinations: to,
      mode,
      flag_key: flag.trim() || null,
      sticky_minutes: sticky === "" ? null : Number(sticky),
      channels,
      ...(route ? { active } : {}),
    };
    write.mutate({ route, id: draft.id, changes }, { onSuccess: done });
  };
  return (
    <Stack gap="xl">
      <form onSubmit={submit}>
        <fieldset disabled={!may} style={{ border: 0, margin: 0, padding: 0, minWidth: 0 }}>
          <Stack>
            <Restored draft={draft} />
            <TextInput
              label="Name"
              description="Shown in logs and explanations."
              required={route !== undefined}
              maxLength={100}
              value={name}
              onChange={({ currentTarget: { value } }) => setName(value)}
            />
            {route?.fault
              ? (
                <Alert
                  color="red"
                  role="alert"
                  icon={<Icon name="warn" />}
                  title="The condition is invalid"
                >
                  <Stack gap="xs" align="flex-start">
                    <Text size="sm">
                      {route.fault}. The route takes no messages and cannot be changed here. Restore a valid
                      version, or remove the route and create it again.
                    </Text>
                    <Code block style={{ maxWidth: "100%" }}>{JSON.stringify(route.condition, null, 2)}</Code>
                  </Stack>
                </Alert>
              )
              : <ConditionEditor value={condition} onChange={setCondition} label="Condition" />}
            <TagsInput
              label="Channels"
              description="The route only takes messages from these channels."
              error={lacksMail}
              data={CHANNELS}
              acceptValueOnBlur
              value={channels}
              onChange={(names) => setChannels(names.map((name) => name.trim().toLowerCase()))}
            />
            <MultiSelect
              label="Destinations"
              description="In order of preference."
              placeholder={to.length === 0 ? "Choose destinations" : undefined}
              data={destinations}
              searchable
              limit={100}
              value={to}
              onChange={setTo}
            />
            <SegmentedControl
              aria-label="Mode"
              data={[{ value: "first", label: "First that is not paused" }, {
                value: "all",
                label: "All of them",
              }]}
              value={mode}
              onChange={(value) => setMode(value as typeof mode)}
            />
            <FlagPicker
              label="Only for contacts with this flag on (optional)"
              placeholder="Everybody"
              disabled={!may}
              value={flag}
              onChange={setFlag}
              warning="Until it is on, the route takes no messages."
            />
            <NumberInput
              label="Keep the conversation for (minutes, optional)"
              min={1}
              max={43_200}
              allowDecimal={false}
              value={sticky}
              onChange={setSticky}
            />
            {route && (
              <Switch
                label="Active"
                description="An inactive route takes no messages."
                checked={active}
                onChange={({ currentTarget: { checked } }) => setActive(checked)}
              />
            )}
            {route && now && route.version !== now.version && (
              <Alert color="yellow" role="alert" title="Somebody else changed this route">
                <Stack gap="xs" align="flex-start">
                  <Text size="sm">Your changes have not been saved.</Text>
                  <Button size="xs" variant="default" onClick={() => (draft.clear(), again())}>
                    Load their version
                  </Button>
                </Stack>
              </Alert>
            )}
            {fault && <Alert color="red" role="alert" icon={<Icon name="warn" />}>{fault}</Alert>}
            {may
              ? (
                <Group justify="space-between">
                  <Button
                    type="submit"
                    loading={write.isPending}
                    disabled={to.length === 0 || channels.length === 0 || route?.version !== now?.version ||
                      route?.fault !== undefined}
                  >
                    {route ? "Save" : "Add route"}
                  </Button>
                  {route && (
                    <Button
                      variant="default"
                      c="red"
                      onClick={async () => {
                        const answer = await ask({
                          title: `Remove route ${route.name}?`,
                          body:
                            "This cannot be undone. You can turn the route off instead. Past decisions are kept.",
                          action: "Remove",
                          danger: true,
                          reason: "none",
                        });
                        if (answer) remove.mutate(undefined, { onSuccess: done });
                      }}
                    >
                      Remove
                    </Button>
                  )}
                </Group>
              )
              : <Text size="sm" c="dimmed">Only operators can change routes.</Text>}
          </Stack>
        </fieldset>
      </form>
      {now && (
        <History
          route={now}
          restore={(changes) => write.mutate({ route: now, id: draft.id, changes }, { onSuccess: done })}
        />
      )}
    </Stack>
  );
}
