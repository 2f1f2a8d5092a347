/** What `destination_health`, `list_waiting` and `list_dead_letters` answer. */
import type {
  DeliveryState,
  ShownDestinationState,
} from "../../../../supabase/functions/_shared/contract/states.ts";

export interface Destination {
  id: string;
  name: string;
  url: string;
  /** Grows with each change made by people. */
  version: number;
  state: ShownDestinationState;
  circuit_open_until: string | null;
  /** What it answered, where that paused it. */
  paused_because: string | null;
  /** When a person last changed it, and who. */
  updated_at: string;
  updated_by: string;
  timeout_ms: number;
  rate_per_second: number | null;
  /** Waits between attempts: its own, or those of the setting; null for the built-in ones. */
  retry_seconds: number[] | null;
  secrets: { created_at: string; expires_at: string | null }[] | null;
  /** Headers of its own, without their values. */
  headers: { name: string }[];
  routes: string[];
  /** Deliveries that wait, and since when the oldest one does. */
  open: number;
  oldest_at: string | null;
  dead: number;
  /** Of the latest 500 deliveries of the last day. */
  attempts: number;
  delivered: number;
  p50_ms: number | null;
  p95_ms: number | null;
}

export interface WaitingDelivery {
  id: string;
  message_id: string;
  last_four: string | null;
  destination: string;
  type: string;
  state: Extract<DeliveryState, "pending" | "leased">;
  attempt: number;
  last_error: string | null;
  next_attempt_at: string;
  /** Deliveries of the same conversation that wait behind it. */
  behind: number;
}

export interface DeadLetter {
  id: string;
  message_id: string;
  conversation_id: string;
  last_four: string | null;
  destination: string;
  type: string;
  attempt: number;
  last_error: string | null;
  dropped_reason: string | null;
  created_at: string;
  updated_at: string;
}
