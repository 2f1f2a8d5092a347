/** What can be done with what was found, without opening it first. Each does what its page does, and asks what its page asks. */
import type { Row } from "../../../../supabase/functions/_shared/contract/sql.ts";
import type { SearchHit } from "../../../../supabase/functions/_shared/contract/answers/search.ts";
import { ROLLOUT_STATE_WORDS } from "../../../../supabase/functions/_shared/contract/words/rollout_states.ts";
import { client } from "../../data/client.ts";
import { type Flag, useSwitchOff } from "../../data/flags.ts";
import { callFunction } from "../../data/functions.ts";
import { INCIDENT_CHANGED } from "../../data/incidents.ts";
import { rpc, unwrap, useChange } from "../../data/query.ts";
import { MOVED } from "../../data/rollouts.ts";
import { Refusal } from "../../data/refusal.ts";
import { toast } from "../../data/toasts.tsx";
import { useMay } from "../../session/me.tsx";
import { type Question, useAsk } from "../../ui/ask.tsx";
import type { IconName } from "../../ui/icons.tsx";

/** The verbs, as the person types them. */
export type Verb = "turn off" | "pause" | "resume" | "roll back" | "acknowledge";
export const VERBS: readonly Verb[] = ["turn off", "pause", "resume", "roll back", "acknowledge"];

/** An action on one thing. */
export interface Action {
  verb: Verb;
  icon: IconName;
  run: () => void;
}

/** The verb that a query begins with, and the words after it. */
export function verbIn(query: string): { verb: Verb; rest: string } | undefined {
  const typed = query.trimStart().toLowerCase();
  const verb = VERBS.find((verb) => typed === verb || typed.startsWith(`${verb} `));
  return verb && { verb, rest: typed.slice(verb.length).trim() };
}

const DESTINATIONS = [
  "destination_health",
  "destinations",
  "list_waiting",
  "delivery_log",
  "status",
  "overview",
];

interface Moved {
  call: "pause_rollout" | "resume_rollout" | "roll_back_rollout";
  hit: SearchHit;
  reason: string | null;
}

/** Returns what the person may do with a hit. */
export function useActions(): (hit: SearchHit) => Action[] {
  const may = useMay("operator");
  const ask = useAsk();
  const off = useSwitchOff();
  const destination = useChange<{ name: string; state: "paused" | "active" }, unknown>({
    act: ({ name, state }) => rpc("set_destination_state", { p_name: name, p_state: state }),
    touches: DESTINATIONS,
    said: (_, { name, state }) =>
      state === "paused" ? `${name} is paused. Its queue is waiting.` : `${name} was resumed.`,
    undo: (_, { name, state }) =>
      state === "active" ? undefined : async () => {
        await rpc("set_destination_state", { p_name: name, p_state: "active" });
        return `Undone: ${name} receives messages again.`;
      },
  });
  const rollout = useChange<Moved, Row<"rollouts">>({
    act: ({ call, hit, reason }) =>
      rpc(call, { p_id: hit.id, p_expected_version: hit.version ?? 0, p_reason: reason }),
    touches: MOVED,
    said: ({ flag_key, state }) =>
      `Rollout of ${flag_key}: ${ROLLOUT_STATE_WORDS[state]}${
        state === "rolled_back" ? ", the flag is off" : ""
      }.`,
  });
  const incident = useChange<number, { number: number }>({
    act: (number) => rpc("acknowledge_incident", { p_number: number }),
    touches: INCIDENT_CHANGED,
    said: ({ number }) => `You have acknowledged incident ${number}. Nobody else is notified.`,
  });
  const link = useChange<{ code: string; state: "active" | "disabled" }, unknown>({
    act: ({ code, state }) => callFunction(`deeplinks/${code}`, { method: "PATCH", body: { state } }),
    touches: ["links"],
    said: (_, { code, state }) => `Link ${code} is ${state === "active" ? "on" : "off"}.`,
    undo: (_, { code, state }) =>
      state === "active" ? undefined : async () => {
        await callFunction(`deeplinks/${code}`, { method: "PATCH", body: { state: "active" } });
        return `Undone: link ${code} is on again.`;
      },
  });

  async function switchOff(key: string): Promise<void> {
    try {
      const [flag] = await unwrap<Flag[]>(
        client().from("settings").select("key,value,metadata,version,updated_at,updated_by").eq("key", key)
          .limit(1),
      );
      if (flag) off.mutate({ flag, reason: null });
    } catch (error) {
      const { message } = error as Refusal;
      toast({ tone: "bad", title: "Action failed", message });
    }
  }
  const asked = async (question: Question, then: (reason: string | null) => void) => {
    const answer = await ask(question);
    if (answer) then(answer.reason);
  };
  const move = (call: Moved["call"], hit: SearchHit, question: Question) => () =>
    void asked(question, (reason) => rollout.mutate({ call, hit, reason }));

  return (hit) => {
    if (!may) return [];
    const { kind, id, state } = hit;
    const name = hit.title ?? id;
    if (kind === "flag" && state === "on") {
      return [{ verb: "turn off", icon: "cross", run: () => void switchOff(id) }];
    }
    if (kind === "destination") {
      const pause: Action = {
        verb: "pause",
        icon: "pause",
        run: () =>
          void asked({
            title: `Pause ${id}?`,
            body: "Nothing is sent to it until it is resumed. Messages wait in order.",
            action: "Pause",
            reason: "none",
          }, () => destination.mutate({ name: id, state: "paused" })),
      };
      const resume: Action = {
        verb: "resume",
        icon: "play",
        run: () => destination.mutate({ name: id, state: "active" }),
      };
      return state === "active" ? [pause] : state === "paused" ? [resume] : [resume, pause];
    }
    if (kind === "rollout" && (state === "running" || state === "paused")) {
      return [
        state === "running"
          ? {
            verb: "pause",
            icon: "pause",
            run: move("pause_rollout", hit, {
              title: `Pause the rollout of ${name}?`,
              body: "People who have the feature keep it. The guard keeps watching and can still roll back.",
              action: "Pause",
            }),
          }
          : {
            verb: "resume",
            icon: "play",
            run: move("resume_rollout", hit, {
              title: `Resume the rollout of ${name}?`,
              body: "The flag is set to the stage's percentage again, and the stage restarts.",
              action: "Resume",
            }),
          },
        {
          verb: "roll back",
          icon: "undo",
          run: move("roll_back_rollout", hit, {
            title: `Roll back ${name}?`,
            body:
              "The flag is off for everybody within 5 seconds, and this rollout ends. To try again, create a new rollout.",
            action: "Roll back",
            danger: true,
            reason: "required",
          }),
        },
      ];
    }
    if (kind === "incident" && state === "unacknowledged") {
      return [{ verb: "acknowledge", icon: "check", run: () => incident.mutate(Number(id)) }];
    }
    if (kind === "link" && state === "active") {
      return [{
        verb: "turn off",
        icon: "cross",
        run: () =>
          void asked({
            title: `Turn off link ${id}?`,
            body: "Visitors see that the link is not available. You can turn it on again.",
            action: "Turn off",
            reason: "none",
          }, () => link.mutate({ code: id, state: "disabled" })),
      }];
    }
    return [];
  };
}
