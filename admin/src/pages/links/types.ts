/** Links as the function deeplinks tells them. */
import type { When } from "../../../../supabase/functions/_shared/links/model/when.ts";

export interface Chat {
  phone_number_id: string;
  text?: string;
}

/** One rule: when it holds, and one place. */
export interface Target {
  when?: When;
  url?: string;
  store?: string;
  app?: { url: string; package?: string; fallback?: string };
  whatsapp?: Chat;
}

/** What can be written of a link, in any version of it. */
export interface LinkBody {
  default_url?: string;
  targets?: Target[];
  whatsapp?: Chat;
  /** ISO times. */
  starts_at?: string;
  expires_at?: string;
  expired_url?: string;
  max_uses?: number;
  utm?: Partial<Record<"source" | "medium" | "campaign" | "term" | "content", string>>;
  pass_query?: boolean;
  tags?: string[];
  flag_key?: string;
  preview?: Partial<Record<"title" | "description" | "image", string>>;
  fingerprint?: boolean;
  external_id?: string;
}

/** What is given to make one. */
export type NewLink = LinkBody & { code?: string; password?: string };

export interface Link extends LinkBody {
  code: string;
  url: string;
  qr_url: string;
  uses: number;
  state: "active" | "disabled" | "blocked";
  password: boolean;
  version: number;
  created_at: string;
  created_by: string;
  updated_at: string;
  updated_by: string;
}

export interface Stats {
  uses: number;
  from: string;
  to: string;
  clicks: Record<"human" | "bot" | "preview" | "prefetch", number>;
  visitors: number;
  days: ({ day: string; visitors: number } & Stats["clicks"])[];
  platforms: Record<string, number>;
  countries: Record<string, number>;
  referrers: Record<string, number>;
  targets: Record<string, number>;
  attributions: { total: number; first_touch: number; by_confidence: Record<string, number> };
}

/** A business number, as a link can open a chat with it. */
export interface WaNumber {
  id: string;
  display_number: string | null;
}
