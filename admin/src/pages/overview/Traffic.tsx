/** Inbound and outbound messages per minute: of the period, or of a span of it. */
import { Skeleton, Text } from "@mantine/core";
import { lazy, Suspense } from "react";
import type { Overview } from "../../../../supabase/functions/_shared/contract/answers/operations.ts";
import { useRpc } from "../../data/query.ts";
import { Section } from "../../ui/Section.tsx";
import { TRAFFIC_MARKS } from "../charts/traffic.ts";
import { useSpan } from "../../ui/span.ts";
import { type Span, writeSpan } from "../../ui/span_text.ts";

const Explored = lazy(() => import("../charts/Explored.tsx"));

type Minutes = Overview["per_minute"];

const MINUTE = 60;
const secondOf = ({ minute }: Minutes[number]) => Date.parse(minute) / 1000;
const valuesOf = (minutes: Minutes, way: "in" | "out") => minutes.map((minute) => Number(minute[way]));

/** Leaves out unfinished minutes, which would look like a drop. */
function closed(perMinute: Minutes, at: string): Minutes {
  const whole = perMinute.filter((one) => secondOf(one) + MINUTE <= Date.parse(at) / 1000);
  return whole.length > 1 ? whole : perMinute;
}

/** The minutes from then to before then. */
const asked = ({ from, to }: Span) => ({
  p_minutes: Math.max(1, Math.round((to - from) / MINUTE)),
  p_until: new Date((to - 1) * 1000).toISOString(),
});

export function Traffic({ of }: { of: Pick<Overview, "at" | "per_minute"> }) {
  const [zoom, setZoom] = useSpan();
  const zoomed = useRpc("traffic", asked(zoom ?? { from: 0, to: MINUTE }), {
    every: zoom && zoom.to * 1000 < Date.parse(of.at) ? false : undefined,
    enabled: zoom !== undefined,
  });
  const perMinute = zoom ? zoomed.isPlaceholderData ? undefined : zoomed.data : of.per_minute;
  const drawn = closed(perMinute ?? [], of.at);
  const shown = drawn.length === 0
    ? undefined
    : { from: secondOf(drawn[0]), to: secondOf(drawn[drawn.length - 1]) + MINUTE };
  const length = shown ? shown.to - shown.from : 0;
  const before = useRpc(
    "traffic",
    asked(shown ? { from: shown.from - length, to: shown.from } : { from: 0, to: MINUTE }),
    { every: false, enabled: shown !== undefined },
  );
  // Minutes are kept for two days.
  const isKept = shown !== undefined && shown.from - length > Date.parse(of.at) / 1000 - 2 * 86_400;
  const then = before.isPlaceholderData || !isKept ? undefined : before.data;
  const sum = (way: "in" | "out") => valuesOf(perMinute ?? [], way).reduce((total, n) => total + n, 0);
  return (
    <Section
      title="Messages per minute"
      about={`${sum("in").toLocaleString()} in, ${sum("out").toLocaleString()} out`}
    >
      {perMinute === undefined
        ? zoomed.isError
          ? <Text size="sm" c="dimmed" role="alert">{zoomed.error.message}</Text>
          : <Skeleton height={330} />
        : (
          <Suspense fallback={<Skeleton height={330} />}>
            <Explored
              label="Messages per minute"
              times={drawn.map(secondOf)}
              step={MINUTE}
              series={[
                { label: "in", colour: "teal", area: true, values: valuesOf(drawn, "in") },
                { label: "out", colour: "orange", values: valuesOf(drawn, "out") },
                ...(then?.length === drawn.length
                  ? [{
                    label: "in, before",
                    colour: "grey" as const,
                    dashed: true,
                    values: valuesOf(then, "in"),
                  }]
                  : []),
              ]}
              format={(value) => String(Math.round(value * 10) / 10)}
              height={300}
              least={5}
              zoom={zoom}
              setZoom={setZoom}
              marked={TRAFFIC_MARKS}
              compared={[
                { name: "in", now: valuesOf(drawn, "in"), before: then && valuesOf(then, "in") },
                { name: "out", now: valuesOf(drawn, "out"), before: then && valuesOf(then, "out") },
              ]}
              list={{ name: "Messages", href: (span) => `/messages?span=${writeSpan(span)}` }}
            />
          </Suspense>
        )}
    </Section>
  );
}
