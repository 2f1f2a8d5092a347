/** Parts shared by the list, an incident's page and the overview: the state, and the acknowledge button. */
import { Button, Group } from "@mantine/core";
import type { OpenIncident } from "../../../../supabase/functions/_shared/contract/answers/incidents.ts";
import { INCIDENT_CHANGED } from "../../data/incidents.ts";
import { rpc, useChange } from "../../data/query.ts";
import { For } from "../../session/me.tsx";
import { State, type Tone } from "../../ui/State.tsx";

const SEVERITY_TONES: Record<string, Tone> = { P0: "bad", P1: "warn", P2: "plain" };
const STATUS_TONES: Record<string, Tone> = {
  investigating: "bad",
  identified: "warn",
  monitoring: "info",
  resolved: "good",
};

/** Severity, status, and whether the incident is public. */
export function Badges({ incident }: { incident: OpenIncident }) {
  return (
    <Group gap={6} wrap="wrap">
      <State tone={SEVERITY_TONES[incident.severity] ?? "plain"}>{incident.severity}</State>
      <State tone={STATUS_TONES[incident.status] ?? "plain"}>{incident.status}</State>
      {incident.public && <State tone="info">public</State>}
    </Group>
  );
}

/** Acknowledges an incident with one click, which stops further notifications. */
export function Acknowledge({ incident }: { incident: OpenIncident }) {
  const change = useChange<undefined, { number: number }>({
    act: () => rpc("acknowledge_incident", { p_number: incident.number }),
    touches: INCIDENT_CHANGED,
    said: ({ number }) => `You have acknowledged incident ${number}. Nobody else is notified.`,
  });
  if (incident.acknowledged_at !== null || incident.status === "resolved") return null;
  return (
    <For role="operator">
      <Button
        size="sm"
        loading={change.isPending}
        aria-label={`Acknowledge incident ${incident.number}`}
        onClick={() => change.mutate(undefined)}
      >
        Acknowledge
      </Button>
    </For>
  );
}
