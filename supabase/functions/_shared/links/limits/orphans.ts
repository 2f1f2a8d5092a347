/**
 * Visits of codes that no link has: counted, and limited per client, so that codes cannot be enumerated.
 *
 * A client over the limit is refused for every code, known or not: different answers would tell it which codes exist.
 * Each isolate limits by itself, and learns from the database what the others have seen.
 *
 * Failure policy: without a trusted address (`CLIENT_IP_HEADER`) nobody is limited, since with one limit for all,
 * anybody could lock out everybody; 31^8 codes are then the protection. While the database is unavailable, the
 * isolate's own limit applies.
 *
 * @module
 */
import type { Rpc } from "../../db/client.ts";
import { groupCommit } from "../../db/group_commit.ts";
import { limitOf, LIMITS } from "../../contract/limits.ts";
import { keptOf } from "./misprints.ts";

/** A visit whose group is not written yet. */
interface OrphanVisit {
  /** The code as requested; it is not passed on. */
  asked: string;
  /** Keyed hash of the client's network. */
  client?: string;
}

/** Options of {@linkcode createOrphans}. */
export interface OrphansOptions {
  rpc: Rpc;
  waitUntil(work: Promise<unknown>): void;
  /** Called when a visit could not be counted. */
  onError(error: unknown): void;
  /** Milliseconds of a monotonic clock. @default {performance.now} */
  now?(): number;
}

/** See the module. */
export interface Orphans {
  /** Whether any client is refused: only then is a visitor's network needed. */
  limiting(): boolean;
  /** Milliseconds for which this client is still refused; 0 if it is not. */
  refusedFor(network: string | undefined): number;
  /** Records a visit of an unknown code. `client` represents the network in the database. */
  visited(code: string, network: string | undefined, client: string | undefined): void;
}

/** As in `record_orphans`. */
const { perSecond, burst: BURST } = limitOf(LIMITS.unknownCodes);
const EACH_MS = 1000 / perSecond;
const MAX_CLIENTS = 10_000;
/** Longer than any link's code, and enough to recognise its kind. */
const MAX_CODE = 256;

/** Creates an {@linkcode Orphans}. */
export function createOrphans(
  { rpc, waitUntil, onError, now = () => performance.now() }: OrphansOptions,
): Orphans {
  /** GCRA by network: the theoretical arrival time of each. */
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

/** Makes room for one more entry by removing the oldest. */
function bounded<V>(map: Map<string, V>): Map<string, V> {
  if (map.size >= MAX_CLIENTS) map.delete(map.keys().next().value!);
  return map;
}
