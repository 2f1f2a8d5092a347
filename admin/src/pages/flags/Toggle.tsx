/** The switch of a flag: off with one click, on after confirmation. */
import { Switch } from "@mantine/core";
import { setShareOf } from "../../../../supabase/functions/_shared/contract/words/flags.ts";
import { type Flag, isOn, type SetFlag, useSetFlag, useSwitchOff } from "../../data/flags.ts";
import type { Refusal } from "../../data/refusal.ts";
import { useMay } from "../../session/me.tsx";
import { useAsk } from "../../ui/ask.tsx";

export function Toggle(
  { flag, size = "md", onConflict }: {
    flag: Flag;
    size?: "md" | "lg";
    onConflict?: (refusal: Refusal, args: SetFlag) => void;
  },
) {
  const may = useMay("operator");
  const ask = useAsk();
  const off = useSwitchOff();
  const set = useSetFlag(onConflict);
  const on = isOn(flag);

  async function toggle() {
    if (on) return off.mutate({ flag, reason: null });
    const share = setShareOf(flag.metadata);
    const answer = await ask({
      title: `Turn ${flag.key} on?`,
      body: `It will be on for ${share} % of all contacts${
        share < 100 ? " and its targets" : ""
      }, within 5 seconds.`,
      action: "Turn on",
      reason: "required",
    });
    if (!answer) return;
    set.mutate({
      key: flag.key,
      changes: { on: true },
      version: flag.version,
      reason: answer.reason,
      foresee: { value: "true" },
    });
  }

  return (
    <Switch
      size={size}
      checked={on}
      disabled={!may}
      onChange={toggle}
      label={on ? "on" : "off"}
      labelPosition="left"
      aria-label={`${flag.key} is ${on ? "on" : "off"}${may ? "" : ". Only operators can change it."}`}
      styles={{ body: { alignItems: "center", justifyContent: "flex-end" } }}
    />
  );
}
