/**
 * The Prometheus text format, version 0.0.4, which every Prometheus reads.
 *
 * Not from a library: the maintained ones (prom-client) include an in-process registry, and our registry is
 * the database. Rules: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
 *
 * @module
 */

/** `Content-Type` of the format. */
export const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Label names and values; an empty object for a series without labels. */
export type Labels = Readonly<Record<string, string>>;

/**
 * A histogram's state: the count of each bucket (not cumulative; one more bucket for the rest), and the sum.
 */
export interface Buckets {
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
  readonly sum: number;
}

/** One series of a metric. */
export type Sample = readonly [Labels, number | Buckets];

/** A metric for printing. */
export interface Metric {
  /** `[a-z][a-z0-9_]*`; a counter ends in `_total`, a duration in `_seconds`. */
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly samples: readonly Sample[];
}

/** Prints metrics. A metric without samples is still declared, so that readers know that it exists. */
export function render(metrics: readonly Metric[]): string {
  return metrics.map(({ name, type, help, samples }) =>
    `# HELP ${name} ${help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}\n# TYPE ${name} ${type}\n` +
    samples.map(([labels, value]) =>
      typeof value === "number" ? line(name, labels, value) : histogram(name, labels, value)
    ).join("")
  ).join("");
}

function histogram(name: string, labels: Labels, { bounds, counts, sum }: Buckets): string {
  let upto = 0;
  const lines = bounds.map((bound, i) =>
    line(`${name}_bucket`, { ...labels, le: number(bound) }, upto += counts[i] ?? 0)
  );
  const count = upto + (counts[bounds.length] ?? 0);
  return lines.join("") + line(`${name}_bucket`, { ...labels, le: "+Inf" }, count) +
    line(`${name}_sum`, labels, sum) + line(`${name}_count`, labels, count);
}

function line(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escaped(text)}"`);
  return `${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${number(value)}\n`;
}

function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

function number(value: number): string {
  return value === Infinity ? "+Inf" : value === -Infinity ? "-Inf" : String(value);
}
