/**
 * Assertions with the names of `@std/assert`, which npm does not have, based on `node:assert`. Not mapped in
 * deno.json, because the Supabase CLI uploads mapped files with each function.
 */
import { AssertionError, deepStrictEqual, notDeepStrictEqual } from "node:assert";
import { isDeepStrictEqual } from "node:util";

// deno-lint-ignore no-explicit-any
type Class<T> = abstract new (...args: any[]) => T;

/** Asserts that a value is truthy. @throws {AssertionError} with the message */
export function assert(value: unknown, message = ""): asserts value {
  if (!value) fail(message);
}

/** Fails. @throws {AssertionError} with the message */
export function fail(message: string): never {
  throw new AssertionError({ message, stackStartFn: fail });
}

/**
 * Asserts that two values are the same or have the same content and classes, recursively; -0 is not 0. A
 * record without a prototype, such as the groups of a regular expression, equals one with the same content.
 * @throws {AssertionError} with the message, and the difference
 */
export function assertEquals(actual: unknown, expected: unknown, message?: string): void {
  if (isDeepStrictEqual(actual, expected)) return;
  said(message, () => deepStrictEqual(ordinary(actual), ordinary(expected)));
}

/** Asserts that two values are not equal for {@linkcode assertEquals}. @throws {AssertionError} */
export function assertNotEquals(actual: unknown, expected: unknown, message?: string): void {
  said(message, () => notDeepStrictEqual(ordinary(actual), ordinary(expected)));
}

/** Asserts that two values are identical. @throws {AssertionError} */
export function assertStrictEquals<T>(actual: unknown, expected: T, message = ""): asserts actual is T {
  if (!Object.is(actual, expected)) fail(`${message}\nIt is not the very same value.`);
}

/** Asserts that two numbers differ by no more than the tolerance. @throws {AssertionError} */
export function assertAlmostEquals(actual: number, expected: number, tolerance = 1e-7): void {
  if (!(Math.abs(actual - expected) <= tolerance)) {
    fail(`${actual} is not ${expected} with a tolerance of ${tolerance}`);
  }
}

/** Asserts that a text contains another. @throws {AssertionError} with both */
export function assertStringIncludes(actual: string, expected: string, message = ""): void {
  if (!actual.includes(expected)) fail(`${message}\n${quoted(actual)}\ndoes not include ${quoted(expected)}`);
}

/** Asserts that a text matches a pattern. @throws {AssertionError} with both */
export function assertMatch(actual: string, expected: RegExp, message = ""): void {
  if (!expected.test(actual)) fail(`${message}\n${quoted(actual)}\ndoes not match ${expected}`);
}

/** Asserts that a text does not match a pattern. @throws {AssertionError} with both */
export function assertNotMatch(actual: string, expected: RegExp, message = ""): void {
  if (expected.test(actual)) fail(`${message}\n${quoted(actual)}\nmatches ${expected}`);
}

/** Asserts that a value is an instance of a class. @throws {AssertionError} */
export function assertInstanceOf<T>(
  actual: unknown,
  expected: Class<T>,
  message = "",
): asserts actual is T {
  if (!(actual instanceof expected)) {
    fail(`${message}\nIt is not a ${expected.name}: ${actual instanceof Error ? actual.stack : actual}`);
  }
}

/**
 * Asserts that a function throws, and gives what it threw.
 * @param expected The class of the error. @default any
 * @param includes What its message has to hold.
 * @throws {AssertionError} when it does not throw, or throws something else
 */
export function assertThrows(run: () => unknown): unknown;
export function assertThrows<E extends Error>(
  run: () => unknown,
  expected: Class<E>,
  includes?: string,
  message?: string,
): E;
export function assertThrows(
  run: () => unknown,
  expected?: Class<Error>,
  includes?: string,
  message = "",
): unknown {
  try {
    run();
  } catch (error) {
    return judged(error, expected, includes, message);
  }
  fail(`${message}\nIt does not throw.`);
}

/**
 * Asserts that the promise of a function is rejected, and gives what it is rejected with.
 * @param expected The class of the error. @default any
 * @param includes What its message has to hold.
 * @throws {AssertionError} when it is resolved, when it is rejected with something else, or when the function throws
 * before it gives a promise
 */
export function assertRejects(run: () => PromiseLike<unknown>): Promise<unknown>;
export function assertRejects<E extends Error>(
  run: () => PromiseLike<unknown>,
  expected: Class<E>,
  includes?: string,
  message?: string,
): Promise<E>;
export async function assertRejects(
  run: () => PromiseLike<unknown>,
  expected?: Class<Error>,
  includes?: string,
  message = "",
): Promise<unknown> {
  let promise: PromiseLike<unknown> | undefined;
  try {
    await (promise = run());
  } catch (error) {
    if (promise === undefined) fail(`${message}\nIt throws, and does not reject: ${error}`);
    return judged(error, expected, includes, message);
  }
  fail(`${message}\nIt does not reject.`);
}

/** The error, if it is the expected one. */
function judged(
  error: unknown,
  expected: Class<Error> | undefined,
  includes: string | undefined,
  message: string,
): unknown {
  if (expected !== undefined) assertInstanceOf(error, expected, message);
  if (includes !== undefined) {
    assertStringIncludes(error instanceof Error ? error.message : "", includes, message);
  }
  return error;
}

/** The value, with its records and lists copied to the prototypes of literals. */
function ordinary(value: unknown): unknown {
  if (Array.isArray(value) && Object.getPrototypeOf(value) === Array.prototype) return value.map(ordinary);
  if (typeof value !== "object" || value === null) return value;
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== null && prototype !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, ordinary(inner)]));
}

/** Prepends a message to that of `node:assert`, which omits its own if it is given one. */
function said(message: string | undefined, check: () => void): void {
  try {
    check();
  } catch (error) {
    if (message && error instanceof AssertionError) error.message = `${message}\n${error.message}`;
    throw error;
  }
}

function quoted(text: string): string {
  return JSON.stringify(text);
}
