/**
 * What both providers' mails that we sent have in common.
 *
 * @module
 */
import type { SendFailure } from "../../channel.ts";

/**
 * Header with our id of a message. Providers may give a mail a Message-ID of their own; this one stays, because its name
 * begins with `X-`, which Exchange keeps.
 */
export const MESSAGE_HEADER = "X-Gatelink-Message";

/** A call without an answer: the mail may have gone if the provider was asked at all. */
export function unknownIfAsked({ failure, asked }: { failure: SendFailure; asked: boolean }): SendFailure {
  return asked ? { ...failure, kind: "unknown" } : failure;
}
