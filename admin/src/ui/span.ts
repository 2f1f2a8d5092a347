/** The span of time that a chart is zoomed to, or that a list is filtered to, in the address. */
import { useParameter } from "./location.ts";
import { readSpan, type Span, writeSpan } from "./span_text.ts";

/** A span in a parameter of the address; undefined where there is none. */
export function useSpan(name = "span"): [Span | undefined, (span: Span | undefined) => void] {
  const [written, setWritten] = useParameter(name);
  return [readSpan(written), (span) => setWritten(span === undefined ? "" : writeSpan(span))];
}
