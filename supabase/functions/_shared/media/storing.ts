/**
 * Copies files of messages into storage, and works off what is due.
 *
 * @module
 */
import type { Rpc } from "../db/client.ts";
import { Problem } from "../http/problem.ts";
import { sharedRun } from "../http/shared_run.ts";
import type { FilePath } from "../storage/paths.ts";
import type { Streams } from "../storage/streaming.ts";
import { withPatience } from "./patience.ts";
import { MediaFault, verified } from "./verified.ts";

/** A file that a provider has opened. */
export interface OpenedFile {
  readonly ok: true;
  readonly body: ReadableStream<Uint8Array>;
  /** In bytes, where it was announced. */
  readonly size?: number;
  /** Hex or base64, where it was announced. */
  readonly sha256?: string;
}

/** Why a provider does not give a file. */
export interface UnopenedFile {
  readonly ok: false;
  /** `gone`: it has the file no more. `final`: asking again is no use. Anything else: later. */
  readonly kind: string;
  readonly message: string;
  readonly retryAfterMs?: number;
}

/** What became of an attempt to store a file. */
export type Kept =
  | { readonly outcome: "stored"; readonly path: string; readonly bytes: number }
  | { readonly outcome: "gone" | "failed" | "too_large"; readonly error: string }
  | { readonly outcome: "retry"; readonly error: string; readonly retryAfterMs?: number };

/** A file to store. */
export interface FileToKeep {
  open(signal: AbortSignal): Promise<OpenedFile | UnopenedFile>;
  readonly file: FilePath;
  /** As the webhook announced it: goes before what the provider says now. */
  readonly sha256?: string;
  maxBytes(): Promise<number> | number;
}

const IDLE_MS = 30_000;

/**
 * Copies a file. Never throws.
 *
 * Failure policy: a file is `stored` once it is whole in storage, with the right length and hash where they are known, and
 * in no other case. The object is noted before it is uploaded: one that no message comes to own is removed after a day.
 */
export async function keepFile(
  { open, file, sha256, maxBytes }: FileToKeep,
  { rpc, storage }: { rpc: Rpc; storage: Pick<Streams, "store"> },
): Promise<Kept> {
  const controller = new AbortController();
  try {
    const opened = await open(controller.signal);
    if (!opened.ok) return unopened(opened);
    const { through, passed } = verified({
      sha256: sha256 ?? opened.sha256,
      bytes: opened.size,
      maxBytes: await maxBytes(),
    });
    await rpc("note_storage_objects", { p_objects: [{ ...file, kind: "media", bytes: 0 }] });
    const body = withPatience(opened.body, IDLE_MS, () => controller.abort());
    await storage.store(
      file,
      body.pipeThrough(through),
      "application/octet-stream",
      controller.signal,
    );
    return { outcome: "stored", path: file.path, bytes: (await passed).bytes };
  } catch (error) {
    controller.abort();
    if (error instanceof MediaFault && error.why === "too_large") {
      return { outcome: "too_large", error: error.message };
    }
    return { outcome: "retry", error: wordsOf(error) };
  }
}

function unopened({ kind, message, retryAfterMs }: UnopenedFile): Kept {
  if (kind === "gone") return { outcome: "gone", error: message };
  if (kind === "final") return { outcome: "failed", error: message };
  return { outcome: "retry", error: message, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}

function wordsOf(error: unknown): string {
  if (error instanceof Problem) return error.detail ?? error.code;
  return error instanceof Error ? error.message : "it could not be stored";
}

/** Attempts over about a day: providers keep files for weeks, and outages do not last. */
const ATTEMPTS = 12;

/** What an attempt that may be repeated comes to: another one later, or the end. */
export function againOrFailed(
  attempt: number,
  { error, retryAfterMs }: { error: string; retryAfterMs?: number },
  random: number,
): { outcome: "retry" | "failed"; error: string; retryAfterMs: number } {
  return {
    outcome: attempt >= ATTEMPTS ? "failed" : "retry",
    error,
    retryAfterMs: retryAfterMs ?? waitOf(attempt, random),
  };
}

/** From 10 s, doubled each time, to 4 hours; with jitter, so that an outage's files do not come back at once. */
function waitOf(attempt: number, random: number): number {
  return Math.round(Math.min(10_000 * 2 ** (attempt - 1), 4 * 3_600_000) * (0.8 + 0.4 * random));
}

/** Longer than any file takes; a worker that dies gives its files back after it. */
export const LEASE_SECONDS = 180;
/** Files that are worked on at once: each takes a few chunks of memory. */
const AT_ONCE = 4;
/** A worker of the platform lives for 150 s on the free plan; what is left is for the next one. */
const WORK_MS = 100_000;

/** Dependencies of {@linkcode createFileWorker}. */
export interface FileWorkerDeps<Due> {
  claim(): Promise<Due | undefined>;
  work(due: Due): Promise<void>;
  log: { warn(message: string, fields: { error: unknown }): void };
  /** Milliseconds since 1970. */
  now(): number;
}

/**
 * Creates the worker. One call works until nothing is due or its time is over; calls in the same isolate share runs, which
 * work until the time of the last call before them is over.
 *
 * Failure policy: what a worker does not settle is due again once its lease ends.
 */
export function createFileWorker<Due>({ claim, work, log, now }: FileWorkerDeps<Due>): () => Promise<void> {
  let calledAt = 0;

  async function lane(until: number): Promise<void> {
    while (now() < until) {
      const due = await claim();
      if (due === undefined) return;
      await work(due).catch((error) => log.warn("a file could not be settled", { error }));
    }
  }

  const run = sharedRun(async () => {
    const until = calledAt + WORK_MS;
    await Promise.all(Array.from({ length: AT_ONCE }, () => lane(until)))
      .catch((error) => log.warn("files could not be claimed", { error }));
  });

  return () => {
    calledAt = now();
    return run();
  };
}
