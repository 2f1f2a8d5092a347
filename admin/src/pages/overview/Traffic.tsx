/** Messages a minute, in and out. */
import { Skeleton } from "@mantine/core";
import { lazy, Suspense } from "react";
import { Section } from "../../ui/Section.tsx";
import type { OverviewData } from "./data.ts";

const Chart = lazy(() => import("../../ui/Chart.tsx"));

export function Traffic({ perMinute }: { perMinute: OverviewData["per_minute"] }) {
  const sum = (way: "in" | "out") => perMinute.reduce((total, minute) => total + Number(minute[way]), 0);
  return (
    <Section
      title="Messages a minute"
      about={`${sum("in").toLocaleString()} in, ${sum("out").toLocaleString()} out`}
    >
      <Suspense fallback={<Skeleton height={330} />}>
        <Chart
          label="Messages a minute"
          times={perMinute.map(({ minute }) => Date.parse(minute) / 1000)}
          series={[
            { label: "in", colour: "teal", area: true, values: perMinute.map((minute) => Number(minute.in)) },
            { label: "out", colour: "orange", values: perMinute.map((minute) => Number(minute.out)) },
          ]}
          format={(value) => String(Math.round(value * 10) / 10)}
          height={300}
          least={5}
        />
      </Suspense>
    </Section>
  );
}
