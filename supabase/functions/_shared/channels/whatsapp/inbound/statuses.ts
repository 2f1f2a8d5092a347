/**
 * The `statuses` list: what happened to messages that we sent.
 *
 * Source: Meta, "Status messages webhook reference"
 * (developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages/status).
 *
 * @module
 */
import { id, type JsonObject, object, text } from "../../../json/json.ts";

/**
 * Order of the statuses. They arrive in any order, and a message's status never goes back. A message that was
 * delivered after all has not failed.
 */
export const STATUS_RANK: Readonly<Record<string, number>> = {
  sent: 1,
  failed: 2,
  delivered: 3,
  read: 4,
  played: 5,
  deleted: 6,
};

/** The fields of a status. */
export interface StatusFields {
  status?: string;
  /** Rank in {@linkcode STATUS_RANK}; absent for an unknown status. */
  rank?: number;
  pricing?: JsonObject;
  /** `biz_opaque_callback_data` of the send request. */
  callback?: string;
}

/** Reads a status. */
export function statusOf(item: JsonObject): StatusFields {
  const status = id(item.status);
  return {
    status,
    rank: status !== undefined && Object.hasOwn(STATUS_RANK, status) ? STATUS_RANK[status] : undefined,
    pricing: object(item.pricing),
    callback: text(item.biz_opaque_callback_data),
  };
}
