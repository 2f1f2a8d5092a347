/** Inbound and outbound messages per minute. */
import { Skeleton } from "@mantine/core";
import { lazy, Suspense } from "react";
import { Section } from "../../ui/Section.tsx";
import type { Overview } from "../../../../supabase/functions/_shared/contract/answers/operations.ts";

const Chart = lazy(() => import("../../ui/Chart.tsx"));

/** Leaves out unfinished minutes, which would look like a drop. */
function closed(perMinute: Overview["per_minute"], at: string): Overview["per_minute"] {
  const [first, second] = perMinute.map(({ minute }) => Date.parse(minute));
  const whole = perMinute.filter(({ minute }) => Date.parse(minute) + (second - first) <= Date.parse(at));
  return whole.length > 1 ? whole : perMinute;
}

export function Traffic({ of }: { of: Pick<Overview, "at" | "per_minute"> }) {
  const perMinute = of.per_minute, drawn = closed(perMinute, of.at);
  const sum = (way: "in" | "out") => perMinute.reduce((total, minute) => total + Number(minute[way]), 0);
  return (
    <Section
      title="Messages per minute"
      about={`${sum("in").toLocaleString()} in, ${sum("out").toLocaleString()} out`}
    >
      <Suspense fallback={<Skeleton height={330} />}>
        <Chart
          label="Messages per minute"
          times={drawn.map(({ minute }) => Date.parse(minute) / 1000)}
          series={[
            { label: "in", colour: "teal", area: true, values: drawn.map((minute) => Number(minute.in)) },
            { label: "out", colour: "orange", values: drawn.map((minute) => Number(minute.out)) },
          ]}
          format={(value) => String(Math.round(value * 10) / 10)}
          height={300}
          least={5}
        />
      </Suspense>
    </Section>
  );
}
