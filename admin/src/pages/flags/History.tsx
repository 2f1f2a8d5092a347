/** The flag's history: who changed what, when and why, with a button to restore each version. */
import { Button, Group, Stack, Text } from "@mantine/core";
import { withoutPast } from "../../../../supabase/functions/_shared/flags/schedule.ts";
import { type Flag, foreseen, TOUCHED, undone } from "../../data/flags.ts";
import type { Row } from "../../../../supabase/functions/_shared/contract/sql.ts";
import { client } from "../../data/client.ts";
import { usePages } from "../../data/pages.ts";
import { rpc, unwrap, useChange } from "../../data/query.ts";
import { useNames } from "../../session/team.ts";
import { For } from "../../session/me.tsx";
import { useAsk } from "../../ui/ask.tsx";
import { Icon } from "../../ui/icons.tsx";
import { Reason } from "../../ui/Reason.tsx";
import { Section } from "../../ui/Section.tsx";
import { LoadedPages } from "../../ui/states.tsx";
import { Time } from "../../ui/Time.tsx";
import { Diff } from "./Diff.tsx";
import { differences } from "./diff.ts";

type Change = Pick<
  Row<"settings_history">,
  "version" | "before" | "after" | "changed_at" | "changed_by" | "reason" | "gates"
>;
type Step = Pick<Change, "version" | "after">;

export function History({ flag }: { flag: Flag }) {
  const name = useNames();
  const ask = useAsk();
  // Each entry stores all targets, up to 20,000, twice.
  const size = (flag.metadata.target_user_ids?.length ?? 0) > 1000 ? 5 : 50;
  const steps = usePages<Change>({
    key: ["settings_history", { key: flag.key, size }],
    read: (last) => {
      const rows = client().from("settings_history")
        .select("version,before,after,changed_at,changed_by,reason,gates").eq("key", flag.key)
        .order("version", { ascending: false }).limit(size);
      return unwrap(last ? rows.lt("version", last.version) : rows);
    },
    size,
    idOf: ({ version }) => String(version),
  });
  const restore = useChange<{ step: Step; reason: string | null }, Flag>({
    act: ({ step, reason }) =>
      rpc("set_setting", {
        p_key: flag.key,
        p_value: step.after!.value,
        p_metadata: withoutPast(step.after!.metadata, Date.now()),
        p_expected_version: flag.version,
        p_reason: `version ${step.version} restored${reason ? `: ${reason}` : ""}`,
      }),
    touches: TOUCHED,
    foresee: (
      { step },
    ) => [
      foreseen(flag.key, {
        value: step.after!.value,
        metadata: withoutPast(step.after!.metadata, Date.now()),
      }),
    ],
    said: (_flag, { step }) => `${flag.key} was restored to version ${step.version}.`,
    undo: ({ version }) => () => undone(flag.key, version),
  });

  async function back(step: Step) {
    const answer = await ask({
      title: `Restore version ${step.version}?`,
      body: <Diff of={differences(flag, step.after)} />,
      action: "Restore",
      danger: step.after?.value === "true",
      reason: step.after?.value === "true" ? "required" : "optional",
    });
    if (answer) restore.mutate({ step, reason: answer.reason });
  }

  return (
    <Section title="History">
      <LoadedPages of={steps} empty={<Text size="sm" c="dimmed">No changes yet.</Text>}>
        {(items) => (
          <Stack
            gap="md"
            component="ol"
            style={{ listStyle: "none", margin: 0, padding: 0, maxHeight: 560, overflowY: "auto" }}
            tabIndex={0}
            aria-label="History"
          >
            {items.map((step) => (
              <Group
                key={step.version}
                component="li"
                justify="space-between"
                align="flex-start"
                wrap="nowrap"
                gap="sm"
              >
                <div style={{ minWidth: 0 }}>
                  <Text size="sm" component="div">
                    <strong>Version {step.version}</strong> by {name(step.changed_by)},{" "}
                    <Time at={step.changed_at} />
                  </Text>
                  {step.reason && (
                    <Text size="sm" c="dimmed" style={{ overflowWrap: "anywhere" }}>
                      <Reason text={step.reason} />
                    </Text>
                  )}
                  {step.gates === "not_asked" && <Text size="sm">The launch gates were not checked.</Text>}
                  <Diff of={differences(step.before, step.after)} />
                </div>
                {step.after && step.version !== flag.version && (
                  <For role="operator">
                    <Button
                      size="compact-xs"
                      variant="default"
                      leftSection={<Icon name="undo" size={12} />}
                      style={{ flex: "none" }}
                      aria-label={`Restore version ${step.version}`}
                      onClick={() => back(step)}
                    >
                      Restore
                    </Button>
                  </For>
                )}
              </Group>
            ))}
            {steps.hasMore && (
              <li>
                <Button size="xs" variant="default" fullWidth loading={steps.reading} onClick={steps.more}>
                  Show more
                </Button>
              </li>
            )}
          </Stack>
        )}
      </LoadedPages>
    </Section>
  );
}
