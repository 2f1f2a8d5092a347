/**
 * Edits the stages of a plan before its rollout is created. The plan is data: zod checks it here, SQL in the
 * database.
 */
import {
  ActionIcon,
  Button,
  Group,
  NumberInput,
  Paper,
  Select,
  SimpleGrid,
  Stack,
  Text,
  TextInput,
} from "@mantine/core";
import { EDGES_MS } from "../../../../supabase/functions/_shared/rollouts/latency.ts";
import type { Stage } from "../../../../supabase/functions/_shared/rollouts/plan.ts";
import { Icon } from "../../ui/icons.tsx";
import { duration } from "../../ui/times.ts";

/** One fault of a plan, at `stages.0.percentage` or below it. */
export interface PlanFault {
  path: string;
  message: string;
}

interface Props {
  stages: Stage[];
  onChange: (stages: Stage[]) => void;
  faults: PlanFault[];
}

export function StageEditor({ stages, onChange, faults }: Props) {
  const set = (index: number, stage: Stage) => onChange(stages.map((one, at) => at === index ? stage : one));
  const add = () => {
    const last = stages.at(-1)!;
    const taken = new Set(stages.map(({ name }) => name));
    const name = ["100 %", "full", ...stages.map((_, index) => `stage ${index + 2}`)].find((one) =>
      !taken.has(one)
    )!;
    onChange([...stages, {
      ...last,
      name,
      percentage: 100,
      user_ids: undefined,
      segments: undefined,
      users: undefined,
      among: undefined,
    }]);
  };
  return (
    <Stack gap="sm">
      {stages.map((stage, index) => (
        <OneStage
          key={index}
          stage={stage}
          number={index + 1}
          faults={faults.flatMap(({ path, message }) =>
            path.startsWith(`stages.${index}.`)
              ? [{ path: path.slice(`stages.${index}.`.length), message }]
              : []
          )}
          onChange={(changed) => set(index, changed)}
          remove={stages.length > 1 ? () => onChange(stages.filter((_, at) => at !== index)) : undefined}
        />
      ))}
      <Button
        variant="default"
        size="xs"
        leftSection={<Icon name="plus" size={16} />}
        onClick={add}
        style={{ alignSelf: "flex-start" }}
      >
        Add stage
      </Button>
    </Stack>
  );
}

function OneStage(
  { stage, number, faults, onChange, remove }: {
    stage: Stage;
    number: number;
    faults: PlanFault[];
    onChange: (stage: Stage) => void;
    remove: (() => void) | undefined;
  },
) {
  const { advance_when: go, roll_back_when: back } = stage;
  const fault = (path: string) => faults.find((one) => one.path === path)?.message;
  const of = (what: string) => `Stage ${number}: ${what}`;
  const other = faults.find(({ path }) => path === "roll_back_when" || path === "advance_when")?.message;
  return (
    <Paper withBorder p="sm" role="group" aria-label={`Stage ${number}`}>
      <Stack gap="xs">
        <Group justify="space-between" wrap="nowrap" align="flex-end">
          <TextInput
            label={`Stage ${number}`}
            aria-label={of("name")}
            flex={1}
            maw={260}
            error={fault("name")}
            value={stage.name}
            onChange={({ currentTarget }) => onChange({ ...stage, name: currentTarget.value })}
          />
          {remove && (
            <ActionIcon
              variant="subtle"
              color="gray"
              size="lg"
              aria-label={`Remove stage ${number}`}
              onClick={remove}
            >
              <Icon name="trash" size={18} />
            </ActionIcon>
          )}
        </Group>
        <SimpleGrid cols={{ base: 2, sm: 3 }} spacing="xs" style={{ alignItems: "start" }}>
          <Figure
            label="Share"
            of={of("share")}
            suffix=" %"
            step={0.01}
            max={100}
            error={fault("percentage")}
            value={stage.percentage}
            onChange={(percentage) => onChange({ ...stage, percentage: percentage ?? 0 })}
          />
          <Figure
            label="Or a number of people"
            of={of("number of people")}
            max={10_000}
            optional
            nothing="nobody"
            error={fault("users") ?? fault("among")}
            value={stage.users}
            onChange={(users) =>
              onChange({ ...stage, users, percentage: users === undefined ? stage.percentage : 0 })}
          />
          <Figure
            label="Minimum duration"
            of={of("minimum duration")}
            suffix=" min"
            description={duration(stage.hold_minutes * 60)}
            error={fault("hold_minutes") ?? fault("overdue_minutes")}
            value={stage.hold_minutes}
            onChange={(hold_minutes) => onChange({ ...stage, hold_minutes: hold_minutes ?? 0 })}
          />
          <Figure
            label="Minimum outcomes"
            of={of("minimum outcomes")}
            error={fault("min_samples")}
            value={stage.min_samples}
            onChange={(min_samples) => onChange({ ...stage, min_samples: min_samples ?? 0 })}
          />
        </SimpleGrid>
        <SimpleGrid cols={{ base: 2, sm: 4 }} spacing="xs" style={{ alignItems: "start" }}>
          <Figure
            label="Advance when failures <"
            of={of("advance when failures are below")}
            suffix=" %"
            step={0.001}
            optional
            error={fault("advance_when.error_rate_below")}
            value={percentOf(go.error_rate_below)}
            onChange={(percent) =>
              onChange({ ...stage, advance_when: merged(go, "error_rate_below", rateOf(percent)) })}
          />
          <Latency
            label="Advance when p95 <"
            of={of("advance when p95 is below")}
            error={fault("advance_when.p95_ms_below")}
            value={go.p95_ms_below}
            onChange={(ms) => onChange({ ...stage, advance_when: merged(go, "p95_ms_below", ms) })}
          />
          <Figure
            label="Roll back when failures >"
            of={of("roll back when failures exceed")}
            suffix=" %"
            step={0.001}
            optional
            error={fault("roll_back_when.error_rate_above")}
            value={percentOf(back.error_rate_above)}
            onChange={(percent) =>
              onChange({ ...stage, roll_back_when: merged(back, "error_rate_above", rateOf(percent)) })}
          />
          <Latency
            label="Roll back when p95 >"
            of={of("roll back when p95 exceeds")}
            error={fault("roll_back_when.p95_ms_above")}
            value={back.p95_ms_above}
            onChange={(ms) => onChange({ ...stage, roll_back_when: merged(back, "p95_ms_above", ms) })}
          />
        </SimpleGrid>
        <SimpleGrid cols={{ base: 2, sm: 4 }} spacing="xs" style={{ alignItems: "start" }}>
          <Figure
            label="Advance when complaints ≤"
            of={of("advance when complaints are at most")}
            optional
            error={fault("advance_when.complaints_at_most")}
            value={go.complaints_at_most}
            onChange={(count) =>
              onChange({ ...stage, advance_when: merged(go, "complaints_at_most", count) })}
          />
          <Figure
            label="Roll back when complaints >"
            of={of("roll back when complaints exceed")}
            optional
            error={fault("roll_back_when.complaints_above")}
            value={back.complaints_above}
            onChange={(count) =>
              onChange({ ...stage, roll_back_when: merged(back, "complaints_above", count) })}
          />
        </SimpleGrid>
        {stage.first_day && (
          <Text size="xs" c="dimmed">The plan has tighter limits for the first day of this stage.</Text>
        )}
        {(go.no_errors || back.plain) && (
          <Text size="xs" c="dimmed">
            {go.no_errors && "Any failure restarts the stage. "}
            {back.plain?.mean_ms_above !== undefined &&
              `Also rolls back when the mean over ${back.plain.minutes} minutes exceeds ${back.plain.mean_ms_above} ms. `}
            {back.plain?.error_rate_above !== undefined &&
              `Also rolls back when more than ${
                percentOf(back.plain.error_rate_above)
              } % fail within ${back.plain.minutes} minutes.`}
          </Text>
        )}
        {other && <Text size="sm" c="var(--bad)">{other}</Text>}
      </Stack>
    </Paper>
  );
}

/** Converts 0.001 to 0.1, without binary rounding errors. */
const percentOf = (rate: number | undefined) =>
  rate === undefined ? undefined : Number((rate * 100).toPrecision(10));
const rateOf = (percent: number | undefined) =>
  percent === undefined ? undefined : Number((percent / 100).toPrecision(10));

function merged<T extends object>(into: T, name: keyof T, value: unknown): T {
  const { [name]: _, ...rest } = into;
  return (value === undefined ? rest : { ...into, [name]: value }) as T;
}

function Figure(
  { label, of, suffix, step = 1, max, optional, nothing = "no limit", description, error, value, onChange }: {
    label: string;
    of: string;
    suffix?: string;
    step?: number;
    max?: number;
    optional?: boolean;
    /** What an empty field means. */
    nothing?: string;
    description?: string;
    error: string | undefined;
    value: number | undefined;
    onChange: (value: number | undefined) => void;
  },
) {
  return (
    <NumberInput
      label={label}
      aria-label={of}
      description={description}
      inputWrapperOrder={["label", "input", "description", "error"]}
      suffix={suffix}
      step={step}
      min={0}
      max={max}
      allowDecimal={step < 1}
      hideControls
      placeholder={optional ? nothing : undefined}
      error={error}
      value={value ?? ""}
      onChange={(next) => onChange(next === "" ? undefined : Number(next))}
    />
  );
}

const LATENCIES = EDGES_MS.map((ms) => ({ value: String(ms), label: `${ms.toLocaleString()} ms` }));

function Latency(
  { label, of, error, value, onChange }: {
    label: string;
    of: string;
    error: string | undefined;
    value: number | undefined;
    onChange: (ms: number | undefined) => void;
  },
) {
  return (
    <Select
      label={label}
      aria-label={of}
      placeholder="no limit"
      clearable
      clearButtonProps={{ "aria-label": `${of}: no limit` }}
      data={LATENCIES}
      error={error}
      value={value === undefined ? null : String(value)}
      onChange={(ms) => onChange(ms === null ? undefined : Number(ms))}
    />
  );
}
