/** What `gatelink oncall doctor` finds. Pure. */
import type {
  OnCallNow,
  OnCallSchedule,
} from "../../../supabase/functions/_shared/contract/answers/oncall.ts";
import type { OnCallCheck } from "../../../supabase/functions/_shared/contract/http/oncall.ts";
import type { TelegramFinding } from "../telegram/findings.ts";

/** What is looked at. */
export interface OnCallState {
  check: OnCallCheck;
  schedules: readonly OnCallSchedule[];
  now: readonly OnCallNow[];
  /** Whether the flag is on, for anybody. */
  isOn: boolean;
}

/** What there is to say. */
export function findingsOf({ check, schedules, now, isOn }: OnCallState): TelegramFinding[] {
  const findings: TelegramFinding[] = [];
  const add = (level: TelegramFinding["level"], about: string, what: string, advice?: string) =>
    findings.push({ level, about, what, ...(advice === undefined ? {} : { advice }) });
  if (check.routing_killed) {
    add(
      "warning",
      "routing",
      "DYNAMIC_ROUTING is false: cards mention nobody",
      "Unset it for the functions.",
    );
  } else if (!isOn) {
    add(
      "warning",
      "routing",
      "dynamic_routing.enabled is off: cards mention nobody",
      "gatelink flags set dynamic_routing on --new --why '…'",
    );
  } else add("ok", "routing", "cards mention who is on call");
  if (schedules.length === 0) add("warning", "schedules", "there is none", "gatelink oncall add --help");
  for (const { name, source, destination, owner, shifts } of schedules) {
    const checked = check.schedules.find((one) => one.name === name);
    const current = now.find(({ schedule }) => schedule === name);
    if (source !== "rota" && checked?.fault != null) {
      add("problem", name, `${source} does not answer: ${checked.fault}`, "docs/oncall.md, Providers.");
      continue;
    }
    const nobody = source === "rota" ? current?.people.length === 0 : checked?.people === 0;
    if (nobody) {
      add("problem", name, "nobody is on call", "Add a layer or an override: gatelink oncall list.");
    } else if (current?.people.length && current.people.every(({ telegram_id }) => telegram_id === null)) {
      add(
        "warning",
        name,
        `${current.people.map(({ name }) => name).join(", ")}: on call, but not linked in Telegram`,
        "gatelink telegram link EMAIL",
      );
    } else add("ok", name, "somebody is on call");
    const gaps = shifts.filter(({ person }) => person === null).length;
    if (gaps > 0 && !nobody) {
      add(
        "warning",
        name,
        `${gaps === 1 ? "a gap" : `${gaps} gaps`} in the next two weeks`,
        "gatelink oncall list",
      );
    }
    if (destination === null) {
      add("warning", name, "no chat: its cards mention nobody", `gatelink oncall add ${name} --chat NAME`);
    }
    if (owner === null) {
      add("warning", name, "nobody is told of gaps", `gatelink oncall add ${name} --owner ADDRESS`);
    }
  }
  return findings;
}
