/**
 * What a person answered in a Flow: WhatsApp sends it as JSON in a string.
 *
 * Source: Meta, "Receiving a Flow response" (developers.facebook.com/documentation/business-messaging/whatsapp/flows):
 * `flow_token` is the one with which the Flow was sent, and the other members are its fields, as its screens name them.
 *
 * @module
 */

/** The answers of a Flow. */
export interface Flow {
  /** The token with which it was sent; absent if whoever sent it gave none. */
  readonly token?: string;
  /** The fields by name. */
  readonly answers: Readonly<Record<string, unknown>>;
}

/** Most characters that are read; a Flow has at most some dozen fields. */
const MAX_ANSWERS = 100_000;

/** Reads the answers of a Flow. Never throws: undefined for what is none. */
export function parseFlow(json: string | null | undefined): Flow | undefined {
  if (json === null || json === undefined || json.length > MAX_ANSWERS) return undefined;
  try {
    const parsed: unknown = JSON.parse(json);
    if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) return undefined;
    const { flow_token, ...answers } = parsed as Record<string, unknown>;
    const isToken = typeof flow_token === "string" && flow_token !== "" && flow_token !== "unused";
    return isToken ? { token: flow_token, answers } : { answers };
  } catch {
    return undefined;
  }
}
