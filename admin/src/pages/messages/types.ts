/** What `list_conversations`, `conversation_messages` and `message_story` answer. */
import type { DeliveryState } from "../../../../supabase/functions/_shared/contract/states.ts";

export interface Conversation {
  id: string;
  /** whatsapp, or another one as its flags name it. */
  channel: string;
  number_id: string;
  number: string | null;
  contact: { id: string; last_four: string | null; name: string | null };
  /** When the person's last message is 24 hours old; null when they never wrote. */
  window_closes_at: string | null;
  opted_out_at: string | null;
  unrouted_since: string | null;
  last: {
    id: string;
    direction: "in" | "out";
    type: string;
    text: string | null;
    status: string;
    created_at: string;
  } | null;
  /** Of a search: what was found. */
  found?: "message" | "conversation" | "link" | "contact";
  message_id?: string | null;
}

export interface Delivery {
  id: string;
  destination: string;
  state: DeliveryState;
  attempt: number;
  next_attempt_at: string | null;
  last_error: string | null;
  dropped_reason: string | null;
  delivered_at: string | null;
}

/** What the provider told of a message that failed. */
export interface ProviderError {
  code: string | null;
  /** Null for viewers. */
  message: string | null;
}

export interface Message {
  id: string;
  seq: number;
  direction: "in" | "out";
  type: string;
  /** Null for viewers, and for messages without words. */
  text: string | null;
  choice: string | null;
  status: string;
  status_at: Record<string, string>;
  error: ProviderError | null;
  sent_at: string | null;
  created_at: string;
  /** Code of the link that it came from. */
  link: string | null;
  route: { name: string | null; reason: string } | null;
  deliveries: Delivery[];
}

export interface Attempt {
  delivery_id: string;
  /** Negative: of the attempts before somebody retried it. */
  attempt: number;
  outcome: "delivered" | "retry" | "dead";
  status: number | null;
  latency_ms: number | null;
  error: string | null;
  answer: string | null;
  at: string;
}

export interface Story extends Message {
  conversation: Conversation;
  attribution:
    | {
      code: string | null;
      confidence: string;
      reason: string;
      first_touch: boolean;
      clicked_at: string | null;
    }
    | null;
  decision:
    | {
      name: string | null;
      reason: string;
      explanation: { name: string; matched: boolean; why: string }[];
      decided_at: string;
    }
    | null;
  outbound:
    | {
      state: string;
      attempt: number;
      error: ProviderError | null;
      next_attempt_at: string | null;
      used_fallback: boolean;
    }
    | null;
  written_by: string | null;
  attempts: Attempt[];
}
