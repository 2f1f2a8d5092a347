/** Values that are valid but for one place: what is hardest to refuse. */
import fc from "fast-check";

/** Every place in a JSON value. */
function places(value: unknown, path: (string | number)[] = []): (string | number)[][] {
  if (typeof value !== "object" || value === null) return [path];
  const inner = Array.isArray(value) ? value.map((item, i) => [i, item] as const) : Object.entries(value);
  return [
    ...(path.length > 0 ? [path] : []),
    ...inner.flatMap(([key, item]) => places(item, [...path, key])),
  ];
}

/** The value with another one at this place, or without it. */
function changed(value: unknown, [key, ...rest]: (string | number)[], to: unknown): unknown {
  // deno-lint-ignore no-explicit-any
  const copy: any = structuredClone(value);
  if (rest.length > 0) copy[key] = changed(copy[key], rest, to);
  else if (to !== undefined) copy[key] = to;
  else if (Array.isArray(copy)) copy.splice(Number(key), 1);
  else delete copy[key];
  return copy;
}

/** Values of all kinds, to stand where they may or may not. */
const VALUES = [
  undefined,
  null,
  "",
  "x",
  "x".repeat(5000),
  0,
  91,
  -181,
  true,
  [],
  {},
  [{}],
  "https://a.example/",
];

/** Each of these with one of {@linkcode VALUES} at one of its places, or without what stands there. */
export function aLittleWrong(valid: unknown[]): fc.Arbitrary<unknown> {
  return fc.constantFrom(...valid).chain((one) =>
    fc.tuple(fc.constantFrom(...places(one)), fc.constantFrom(...VALUES)).map(([place, value]) =>
      changed(one, place, value)
    )
  );
}
