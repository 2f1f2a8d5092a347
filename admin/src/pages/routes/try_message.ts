/** What the router would decide for a message, computed by its own code. */
import {
  evaluate,
  prepareFlags,
  type Segments,
  type Setting,
} from "../../../../supabase/functions/_shared/flags/evaluate.ts";
import type { Condition } from "../../../../supabase/functions/_shared/contract/routing/condition.ts";
import { compile } from "../../../../supabase/functions/_shared/routing/compile.ts";
import { describe } from "../../../../supabase/functions/_shared/routing/describe.ts";
import type { MessageFacts } from "../../../../supabase/functions/_shared/routing/facts.ts";
import { type Decision, match } from "../../../../supabase/functions/_shared/routing/match.ts";
import { compileRoutes, stoppedOf } from "../../../../supabase/functions/_shared/routing/routes.ts";
import type { Destination, WholeRoute } from "./types.ts";

/** A message to try, and the configuration to try it with. */
export interface Tried {
  routes: readonly WholeRoute[];
  destinations: readonly Destination[];
  /** The flags' settings. */
  settings: readonly Setting[];
  /** The segments of the sender; see {@link segmentsOf}. */
  segments: Segments;
  message:
    & Pick<
      MessageFacts,
      "channel" | "type" | "number_id" | "choice" | "referral" | "contact" | "email" | "group" | "flow"
    >
    & {
      /** Empty for a message without text. */
      text: string;
      /** The link that it came from. */
      link?: { code: string; tags: string[]; campaign: string | null };
    };
  now: Date;
  /** Id of the sticky route of the conversation. */
  sticky?: string;
}

/**
 * The segments of one person, as flag evaluation takes them. Nobody else is evaluated, so they contain nobody
 * else.
 */
export function segmentsOf(id: string, memberships: readonly { segment_key: string }[]): Segments {
  return Object.fromEntries(memberships.map(({ segment_key }) => [segment_key, [id]]));
}

/** A condition, or a part of one, and whether it holds for the message. */
export interface Part {
  words: string;
  holds: boolean;
  /** What it is made of; empty for a condition without parts. */
  parts: Part[];
}

/** A decision, with the parts of each condition that was evaluated, by route. */
export interface TriedDecision extends Decision {
  parts: Readonly<Record<string, Part>>;
}

async function partOf(condition: Condition, facts: MessageFacts, now: Date): Promise<Part> {
  const inner = condition.type === "all" || condition.type === "any"
    ? condition.of ?? []
    : condition.type === "not"
    ? [condition.of]
    : [];
  const holds = await compile(condition);
  return {
    words: describe(condition),
    holds: holds(facts, { now }),
    parts: await Promise.all(inner.map((one) => partOf(one, facts, now))),
  };
}

/** Which route would match the message and why, and why the others would not. Nothing is stored. */
export async function decisionOf(
  { routes, destinations, settings, segments, message, now, sticky }: Tried,
): Promise<TriedDecision> {
  const idOf = new Map(destinations.map(({ name, id }) => [name, id]));
  const rows = routes.map(({ destinations, ...route }) => ({
    ...route,
    destination_ids: destinations.flatMap((name) => idOf.get(name) ?? []),
  }));
  const flags = prepareFlags(settings, segments);
  const { text, link, ...rest } = message;
  const facts: MessageFacts = {
    ...rest,
    id: "",
    body: text || undefined,
    link: link &&
      { code: link.code, tags: link.tags, ...(link.campaign ? { campaign: link.campaign } : {}) },
    token: link && "aaaaaaaaaaaaaaaa",
  };
  const decision = match(
    await compileRoutes(
      rows,
      ...stoppedOf(destinations.map((one) => ({ ...one, circuit_open: one.circuit_trips > 0 }))),
    ),
    facts,
    {
      now,
      sticky: sticky ? { routeId: sticky, until: new Date(8.64e15) } : undefined,
      flagOn: (key, contact) => evaluate(flags, key, contact).value,
    },
  );
  const evaluated = decision.explanation.filter(({ why }) => why.startsWith("condition: "));
  const parts = await Promise.all(evaluated.map(async ({ route }) => {
    const { condition } = routes.find(({ id }) => id === route)!;
    return [route, await partOf(condition, facts, now)] as const;
  }));
  return { ...decision, parts: Object.fromEntries(parts) };
}
