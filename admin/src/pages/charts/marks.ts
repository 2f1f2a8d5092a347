/** What happened while a chart was drawn: changes by people and the guard, and incidents, from the audit. */
import type { AuditEntry } from "../../../../supabase/functions/_shared/contract/answers/audit.ts";
import { auditInWords } from "../../../../supabase/functions/_shared/contract/words/audit.ts";
import { useRpc } from "../../data/query.ts";
import type { ChartMark } from "../../ui/chart_parts.ts";
import { instants, type Span } from "../../ui/span_text.ts";
import { inZone } from "../../ui/times.ts";
import { placeOf } from "../audit/place.ts";

/** Which changes a chart shows. */
export interface MarksOf {
  kinds: readonly AuditEntry["kind"][];
  /** Only those of one thing. */
  ref?: string;
}

export interface Mark extends ChartMark {
  id: string;
  text: string;
  /** The page of what changed. */
  href: string | undefined;
  entry: AuditEntry;
}

/** Marks of a chart at most. */
export const MOST_MARKS = 20;
const MARKS_MS = 30_000;

/**
 * The changes of a span, oldest first; the newest of more than {@linkcode MOST_MARKS}.
 * @returns undefined while they are read; `cut` where there are more
 */
export function useMarks(span: Span | undefined, of: MarksOf | undefined): { marks: Mark[]; cut: boolean } {
  const [since, before] = instants(span ?? { from: 0, to: 60 });
  const { data = [] } = useRpc("list_audit", {
    p_filter: { kinds: of?.kinds ?? [], ...(of?.ref === undefined ? {} : { ref: of.ref }), since, before },
    p_limit: MOST_MARKS + 1,
  }, { every: MARKS_MS, enabled: of !== undefined && span !== undefined });
  if (of === undefined || span === undefined) return { marks: [], cut: false };
  const shown = data.slice(0, MOST_MARKS).filter(({ at }) => {
    const second = Date.parse(at) / 1000;
    // The data of the span before stay until these are read.
    return second >= span.from && second < span.to;
  }).toReversed();
  return {
    marks: shown.map((entry, index) => ({
      id: entry.id,
      n: index + 1,
      at: Date.parse(entry.at) / 1000,
      text: inZone(auditInWords(entry)),
      href: placeOf(entry),
      entry,
    })),
    cut: data.length > MOST_MARKS,
  };
}
