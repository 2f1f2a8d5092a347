/** Links as the function deeplinks tells them. */

export interface Chat {
  phone_number_id: string;
  text?: string;
}

export interface Target {
  when?: Record<string, unknown>;
  url?: string;
  store?: string;
  app?: { url: string; package?: string; fallback?: string };
  whatsapp?: Chat;
}

export interface Link {
  code: string;
  url: string;
  qr_url: string;
  external_id?: string;
  default_url?: string;
  targets?: Target[];
  whatsapp?: Chat;
  starts_at?: string;
  expires_at?: string;
  max_uses?: number;
  uses: number;
  utm?: Record<string, string>;
  tags?: string[];
  flag_key?: string;
  state: "active" | "disabled" | "blocked";
  password: boolean;
  created_at: string;
  created_by: string;
  updated_at: string;
}

/** What is given to make one. */
export type NewLink =
  & Partial<
    Pick<
      Link,
      "default_url" | "targets" | "whatsapp" | "utm" | "tags" | "expires_at" | "max_uses" | "external_id"
    >
  >
  & { code?: string; password?: string };

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
