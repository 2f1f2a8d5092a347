/**
 * Loaded before each test file (tests/run.ts does it by `--preload`): fails the test, by name, that leaves something
 * behind which another test would meet, and puts it back for those that follow.
 *
 * Looked at are the environment, the working folder, the clocks and other globals that tests replace, listeners of the
 * process, and what {@linkcode watch} was given. Timers, sockets and files are looked after by Deno's own sanitizers, in the
 * tiers where a test starts all that it uses.
 *
 * @module
 */

/** Globals that a test may replace while it runs. */
const REPLACED: readonly [owner: object, name: string, key: string][] = [
  [performance, "performance", "now"],
  [Date, "Date", "now"],
  [globalThis, "globalThis", "Date"],
  [globalThis, "globalThis", "fetch"],
  [globalThis, "globalThis", "setTimeout"],
  [globalThis, "globalThis", "clearTimeout"],
  [globalThis, "globalThis", "setInterval"],
  [globalThis, "globalThis", "clearInterval"],
  [globalThis, "globalThis", "queueMicrotask"],
  [globalThis, "globalThis", "EdgeRuntime"],
  [Math, "Math", "random"],
  [crypto, "crypto", "randomUUID"],
  [crypto, "crypto", "getRandomValues"],
  ...(["debug", "info", "log", "warn", "error"] as const).map((key) =>
    [console, "console", key] as [object, string, string]
  ),
  ...(["exit", "cwd", "serve", "listen", "connect", "resolveDns", "Command", "hostname"] as const).map((
    key,
  ) => [Deno, "Deno", key] as [object, string, string]),
];

type Values = Record<string, unknown>;

/** State of the code under test that a test has to leave as it found it. */
const watched = new Map<string, () => unknown>();

/**
 * Has the guard compare `read()` before and after each test of this file.
 * @param name What it is, for the failure.
 * @param read Its state as a value that `===` compares.
 */
export function watch(name: string, read: () => unknown): void {
  watched.set(name, read);
}

/** Listeners of the process that are there now, by event or signal. */
const listeners = new Map<string, Set<unknown>>();

function follow(owner: Values, add: string, remove: string): void {
  const [before, after] = [owner[add], owner[remove]] as ((...args: unknown[]) => unknown)[];
  owner[add] = function (
    this: unknown,
    event: string,
    listener: unknown,
    options: unknown,
    ...rest: unknown[]
  ) {
    const once = typeof options === "object" && options !== null &&
      ("once" in options && options.once || "signal" in options && options.signal);
    // The target of `addEventListener` is whatever it is called on.
    if (!once && (this === undefined || this === globalThis || this === owner)) {
      listeners.set(event, (listeners.get(event) ?? new Set()).add(listener));
    }
    return before.call(this ?? owner, event, listener, options, ...rest);
  };
  owner[remove] = function (this: unknown, event: string, listener: unknown, ...rest: unknown[]) {
    listeners.get(event)?.delete(listener);
    return after.call(this ?? owner, event, listener, ...rest);
  };
}
follow(globalThis as unknown as Values, "addEventListener", "removeEventListener");
follow(Deno as unknown as Values, "addSignalListener", "removeSignalListener");

interface Before {
  environment: Record<string, string>;
  folder: string;
  globals: unknown[];
  listeners: Map<string, Set<unknown>>;
  watched: Map<string, unknown>;
}

let before: Before | undefined;

Deno.test.beforeEach(() => {
  before = {
    environment: Deno.env.toObject(),
    folder: Deno.cwd(),
    globals: REPLACED.map(([owner, , key]) => (owner as Values)[key]),
    listeners: new Map([...listeners].map(([event, set]) => [event, new Set(set)])),
    watched: new Map([...watched].map(([name, read]) => [name, read()])),
  };
});

Deno.test.afterEach(() => {
  if (!before) return;
  const left = [...environment(before), ...folder(before), ...globals(before), ...events(before)];
  for (const [name, value] of before.watched) if (watched.get(name)!() !== value) left.push(name);
  before = undefined;
  if (left.length > 0) throw new Error(`the test leaves behind, for others to meet: ${left.join(", ")}`);
});

function* environment({ environment }: Before): Iterable<string> {
  const now = Deno.env.toObject();
  for (const name of new Set([...Object.keys(environment), ...Object.keys(now)])) {
    if (environment[name] === now[name]) continue;
    if (environment[name] === undefined) Deno.env.delete(name);
    else Deno.env.set(name, environment[name]);
    // Never the value: it may be a secret of the machine.
    yield `the variable ${name}`;
  }
}

function* folder({ folder }: Before): Iterable<string> {
  if (Deno.cwd() === folder) return;
  Deno.chdir(folder);
  yield "another working folder";
}

function* globals({ globals }: Before): Iterable<string> {
  for (const [i, [owner, name, key]] of REPLACED.entries()) {
    if ((owner as Values)[key] === globals[i]) continue;
    if (globals[i] === undefined) delete (owner as Values)[key];
    else (owner as Values)[key] = globals[i];
    yield `${name}.${key}`;
  }
}

function* events(before: Before): Iterable<string> {
  for (const [event, set] of listeners) {
    const added = [...set].filter((listener) => !before.listeners.get(event)?.has(listener));
    for (const listener of added) set.delete(listener);
    if (added.length > 0) yield `a listener of ${event}`;
  }
}
