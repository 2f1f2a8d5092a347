/**
 * Channels by name.
 *
 * @module
 */
import type { Channel } from "./channel.ts";

/** The channels that an isolate knows. */
export interface Registry {
  readonly all: readonly Channel[];
  /**
   * Returns the channel of that name.
   *
   * @throws {TypeError} if there is none. Claims name their channels, so messages of others never get here.
   */
  get(name: string): Channel;
}

/**
 * Creates a registry.
 *
 * @throws {TypeError} if two channels have the same name.
 */
export function createRegistry(all: readonly Channel[]): Registry {
  const byName = new Map(all.map((channel) => [channel.name, channel]));
  if (byName.size !== all.length) {
    throw new TypeError(`two channels have the same name: ${all.map(({ name }) => name).join(", ")}`);
  }
  return {
    all,
    get(name) {
      const channel = byName.get(name);
      if (channel === undefined) throw new TypeError(`there is no channel ${name}`);
      return channel;
    },
  };
}
