/**
 * Which channels are routed, that is, decided about and forwarded. Each has its own flag.
 *
 * @module
 */
import { type Flag, onForAnybody } from "../flags/evaluate.ts";

/** The flag of deciding and forwarding for a channel. */
export function routerFlag(channel: string): string {
  return channel === "whatsapp" ? "wa_router.enabled" : `${channel}_router.enabled`;
}

/**
 * The channels that may be routed now: no kill switch is set, and the flag is on for anybody at all.
 * @param flags Called only if no kill switch has decided already.
 */
export async function routedChannels(
  channels: readonly string[],
  killed: (feature: string) => boolean,
  flags: () => Promise<ReadonlyMap<string, Flag>>,
): Promise<readonly string[]> {
  const alive = channels.filter((channel) => !killed(routerFlag(channel)));
  if (alive.length === 0) return alive;
  const known = await flags();
  return alive.filter((channel) => onForAnybody(known, routerFlag(channel)));
}
