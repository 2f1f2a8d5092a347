/**
 * Loaded before each test file (tests/run.ts does it by `--preload`): fails the test, by name, that leaves something
 * behind which another test would meet, and puts it back for those that follow.
 *
 * Looked at are the environment, the working folder, the clocks and other globals and members of Deno, listeners of the
 * process, and what {@linkcode watch} was given. Timers, sockets and files are looked after by Deno's own sanitizers, in
 * the tiers where a test starts all that it uses.
 *
 * @module
 */
// With this Deno makes its globals of Node: now, and not in the middle of the first test that loads a package.
import "node:module";

/** What a test may replace members of, while it runs. */
const OWNERS: readonly [owner: object, name: string][] = [
  [globalThis, "globalThis"],
  [Deno, "Deno"],
  [Deno.env, "Deno.env"],
  [console, "console"],
  [performance, "performance"],
  [Date, "Date"],
  [Math, "Math"],
  [crypto, "crypto"],
];
/** Beside what they have themselves: what is replaced of these stands on a prototype before. */
const INHERITED: Readonly<Record<string, readonly string[]>> = {
  performance: ["now"],
  crypto: ["randomUUID", "getRandomValues"],
};

/** All members that exist now; a member with a getter is represented by the getter. */
function members(): Map<string, Member> {
  const found = new Map<string, Member>();
  for (const [owner, name] of OWNERS) {
    for (const key of [...Object.getOwnPropertyNames(owner), ...INHERITED[name] ?? []]) {
      // The runtime's own, made when they are first needed.
      if (key.startsWith("_")) continue;
      const own = Object.getOwnPropertyDescriptor(owner, key);
      found.set(`${name}.${key}`, { owner, key, own, value: own?.get ?? (owner as Values)[key] });
    }
  }
  return found;
}

interface Member {
  owner: object;
  key: string;
  /** Undefined if it is inherited. */
  own: PropertyDescriptor | undefined;
  value: unknown;
}

type Values = Record<string, unknown>;

/** State of the code under test that a test must leave unchanged. */
const watched = new Map<string, () => unknown>();

/**
 * Makes the guard compare `read()` before and after each test of this file.
 * @param name Its name in the failure.
 * @param read Returns its state as a value that `===` compares.
 */
export function watch(name: string, read: () => unknown): void {
  watched.set(name, read);
}

/** Listeners of the process that are there now, by event or signal, each with what removes it. */
const listeners = new Map<string, Map<unknown, () => void>>();

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
      const there = listeners.get(event) ?? new Map();
      listeners.set(event, there.set(listener, () => after.call(owner, event, listener, options)));
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
  umask: number | undefined;
  members: Map<string, Member>;
  listeners: Map<string, Set<unknown>>;
  watched: Map<string, unknown>;
}

let before: Before | undefined;

Deno.test.beforeEach(() => {
  before = {
    environment: Deno.env.toObject(),
    folder: Deno.cwd(),
    umask: umask(),
    members: members(),
    listeners: new Map([...listeners].map(([event, there]) => [event, new Set(there.keys())])),
    watched: new Map([...watched].map(([name, read]) => [name, read()])),
  };
});

Deno.test.afterEach(() => {
  if (!before) return;
  const left = [
    ...environment(before),
    ...folder(before),
    ...mask(before),
    ...globals(before),
    ...events(before),
  ];
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

function umask(): number | undefined {
  return Deno.build.os === "windows" ? undefined : Deno.umask();
}

function* mask({ umask: was }: Before): Iterable<string> {
  if (umask() === was) return;
  Deno.umask(was);
  yield "another umask";
}

function* globals({ members: were }: Before): Iterable<string> {
  const now = members();
  for (const name of new Set([...were.keys(), ...now.keys()])) {
    const was = were.get(name), is = now.get(name);
    if (isSame(was, is)) continue;
    const { owner, key } = (was ?? is)!;
    if (was?.own) Object.defineProperty(owner, key, was.own);
    else delete (owner as Values)[key];
    yield name;
  }
}

/**
 * Whether it was not replaced. Most globals are getters until they are written, even with their own value.
 */
function isSame(was: Member | undefined, is: Member | undefined): boolean {
  if (was === undefined || is === undefined) return was === is;
  if (Object.is(was.value, is.value)) return true;
  return was.own?.get !== undefined && Object.is(was.own.get.call(was.owner), is.value);
}

function* events(before: Before): Iterable<string> {
  for (const [event, there] of listeners) {
    const added = [...there].filter(([listener]) => !before.listeners.get(event)?.has(listener));
    for (const [listener, remove] of added) {
      remove();
      there.delete(listener);
    }
    if (added.length > 0) yield `a listener of ${event}`;
  }
}
