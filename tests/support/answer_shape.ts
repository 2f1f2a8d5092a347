/** The shape of an answer: its keys, types and codes, without what differs from run to run. */

/** What {@linkcode shapeOf} gives: names of types, codes as they are, lists of the shapes in them, objects by key. */
export type Shape = string | Shape[] | { [key: string]: Shape };

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const KINDS: readonly [RegExp, string][] = [
  [UUID, "(uuid)"],
  [/^\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?$/, "(time)"],
  [/^https?:\/\//, "(url)"],
  [/^whsec_/, "(secret)"],
  [/^[0-9a-f]{16,}$/, "(hex)"],
  // Words that programs compare: states, reasons, codes, keys.
  [/^([a-z][a-z0-9]*([._-][a-z0-9]+)*|[A-Z]+(_[A-Z]+)*)$/, ""],
];

/** The shape of a value that came as JSON. Objects whose keys are ids are one key. */
export function shapeOf(value: unknown): Shape {
  if (value === null) return "null";
  if (Array.isArray(value)) {
    const shapes = new Map(value.map((item) => [JSON.stringify(shapeOf(item)), shapeOf(item)]));
    return [...shapes].sort(([a], [b]) => a < b ? -1 : 1).map(([, shape]) => shape);
  }
  if (typeof value === "object") {
    const entries = Object.entries(value).map(([key, item]): [string, Shape] => [
      UUID.test(key) ? "(uuid)" : key,
      shapeOf(item),
    ]);
    return Object.fromEntries(entries.sort(([a], [b]) => a < b ? -1 : 1));
  }
  if (typeof value !== "string") return `(${typeof value})`;
  const kind = KINDS.find(([pattern]) => pattern.test(value));
  return kind === undefined ? "(text)" : kind[1] || value;
}
