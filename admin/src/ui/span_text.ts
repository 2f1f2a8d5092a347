/** A span of time that a chart is zoomed to, or that a list is filtered to, and how an address holds it. */

/** Unix times in seconds; `to` is no part of it any more. */
export interface Span {
  from: number;
  to: number;
}

const WRITTEN = /^(\d{4}-\d\d-\d\dT\d\d:\d\dZ)~(\d{4}-\d\d-\d\dT\d\d:\d\dZ)$/;

const minute = (at: number) => `${new Date(at * 1000).toISOString().slice(0, 16)}Z`;

/** As it stands in an address: `2026-11-30T01:00Z~2026-11-30T01:20Z`, to the minute. */
export const writeSpan = ({ from, to }: Span): string => `${minute(from)}~${minute(Math.max(to, from + 60))}`;

/** undefined for anything but a span. */
export function readSpan(written: string): Span | undefined {
  const [, from, to] = WRITTEN.exec(written) ?? [];
  if (from === undefined) return undefined;
  const span = { from: Date.parse(from) / 1000, to: Date.parse(to) / 1000 };
  return span.from < span.to ? span : undefined;
}

/** The instants of a span, as the database reads them. */
export const instants = ({ from, to }: Span): [from: string, to: string] => [
  new Date(from * 1000).toISOString(),
  new Date(to * 1000).toISOString(),
];
