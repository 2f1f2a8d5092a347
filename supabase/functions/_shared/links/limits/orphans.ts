/**
 * Visits of codes that no link has: counted, and limited for each client, so that codes cannot be walked through.
 *
 * A client that has tried too many is refused for every code, known or not: an answer that differs would tell it what
 * it wants to know. Each isolate limits by itself, and learns from the database what the others have seen.
 *
 * Failure policy: without an address that can be trusted (`CLIENT_IP_HEADER`) nobody is limited, for one limit for
 * all would let anybody lock out everybody; 31^8 codes are then the protection. With the database away the isolate's
 * own limit holds.
 *
 * @module
 */
import type { Rpc } from "../../db/client.ts";
import { groupCommit } from "../../db/group_commit.ts";
import { limitOf, LIMITS } from "../../contract/limits.ts";
import { keptOf } from "./misprints.ts";

/** A visit whose group is not written yet. */
interface OrphanVisit {
  /** As it was asked for: it goes no further. */
  asked: string;
  /** Keyed hash of the client's network. */
  client?: string;
}

/** Options of {@linkcode createOrphans}. */
export interface OrphansOptions {
  rpc: Rpc;
  waitUntil(work: Promise<unknown>): void;
  /** Told of a visit that could not be counted. */
  onError(error: unknown): void;
  /** Milliseconds of a clock that does not jump. @default {performance.now} */
  now?(): number;
}

/** See the module. */
export interface Orphans {
  /** Whether anybody is refused: only then need a visitor's network be known. */
  limiting(): boolean;
  /** Milliseconds for which this client is refused; 0 when it is not. */
  refusedFor(network: string | undefined): number;
  /** Notes a visit of an unknown code. `client` stands for the network in the database. */
  visited(code: string, network: string | undefined, client: string | undefined): void;
}

/** As in `record_orphans`. */
const { perSecond, burst: BURST } = limitOf(LIMITS.unknownCodes);
const EACH_MS = 1000 / perSecond;
const MAX_CLIENTS = 10_000;
/** More than any link's code has, and enough to see what it is. */
const MAX_CODE = 256;

/** Makes an {@linkcode Orphans}. */
export function createOrphans(
  { rpc, waitUntil, onError, now = () => performance.now() }: OrphansOptions,
): Orphans {
  /** GCRA by network: the time at which everything taken so far would have come evenly. */
  const tats = new Map<string, number>();
  const refused = new Map<string, number>();
  const networks = new Map<string, string>();

  const record = groupCommit<OrphanVisit, void>({
    maxItems: 500,
    maxQueued: 5000,
    commit: async (visits) => {
      const codes = new Map<string, number>();
      const limited = await rpc("record_orphans", {
        p_visits: visits.map(({ asked, client }) => {
          const which = codes.get(asked) ?? codes.size;
          codes.set(asked, which);
          return { code: keptOf(asked), which, client };
        }),
      });
      for (const { client, retry_after_ms } of limited) {
        const network = networks.get(client);
        if (network !== undefined) refuse(network, retry_after_ms ?? EACH_MS);
      }
      return visits.map(() => undefined);
    },
  });

  function refuse(network: string, ms: number): void {
    bounded(refused).set(network, now() + ms);
  }

  function refusedFor(network: string | undefined): number {
    if (network === undefined || refused.size === 0) return 0;
    const left = (refused.get(network) ?? 0) - now();
    if (left <= 0) refused.delete(network);
    return Math.max(0, left);
  }

  function visited(code: string, network: string | undefined, client: string | undefined): void {
    if (network !== undefined) {
      const at = now();
      const tat = Math.max(tats.get(network) ?? 0, at) + EACH_MS;
      if (tat - at > BURST * EACH_MS) refuse(network, tat - at - BURST * EACH_MS);
      else bounded(tats).set(network, tat);
      if (client !== undefined) bounded(networks).set(client, network);
    }
    waitUntil(record({ asked: code.slice(0, MAX_CODE), client }).catch(onError));
  }

  return { limiting: () => refused.size > 0, refusedFor, visited };
}

/** Makes room for one more: the oldest go. */
function bounded<V>(map: Map<string, V>): Map<string, V> {
  if (map.size >= MAX_CLIENTS) map.delete(map.keys().next().value!);
  return map;
}
