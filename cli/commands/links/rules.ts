/** What a stack's links may lead to, read in the same way as by the function; and every address in a link. */
import { newLink, type Target } from "../../../supabase/functions/_shared/contract/links.ts";
import { permit } from "../../../supabase/functions/_shared/delivery/allowlist.ts";
import { readRules, type Rules } from "../../../supabase/functions/_shared/links/model/rules.ts";
import { checkPlaces } from "../../../supabase/functions/_shared/links/model/places.ts";
import type { Api } from "../../core/api.ts";
import { loadConfig } from "../../core/config.ts";

/** Reads the rules. */
export async function loadRules(api: Api): Promise<Rules> {
  const [config, numbers] = await Promise.all([
    loadConfig(api),
    api.rows((client) => client.from("wa_numbers").select("id,display_number")),
  ]);
  const digits = numbers.map(({ id, display_number }) => [id, display_number?.replace(/\D/g, "") ?? ""]);
  return await readRules(config, Object.fromEntries(digits.filter(([, number]) => number !== "")));
}

/** Maximum time until a function sees that a host was allowed, in milliseconds. */
export const UNSEEN_MS = 5500;

/** Whether the current rules refuse nothing in a body: if the function does, it has not seen them yet. */
export async function isAllowedNow(api: Api, body: unknown): Promise<boolean> {
  const read = newLink.safeParse(body);
  return read.success && checkPlaces(read.data, await loadRules(api)).length === 0;
}

/** An address in a link. */
export interface Place {
  /** Its path in the body, such as `targets[0].url`. */
  path: string;
  url: string;
  /** app: may have its own scheme. image: is shown, and no visitor is redirected there. */
  kind: "web" | "app" | "image";
}

/** The parts of a link that contain addresses. */
export interface Addressed {
  default_url?: string;
  expired_url?: string;
  targets?: readonly Target[];
  preview?: { image?: string };
}

/** Every address of a link, in the order of its members. */
export function placesOf({ default_url, expired_url, targets = [], preview }: Addressed): Place[] {
  const places: (Omit<Place, "url"> & { url: string | undefined })[] = [
    { path: "default_url", url: default_url, kind: "web" },
    { path: "expired_url", url: expired_url, kind: "web" },
    ...targets.flatMap(({ url, store, app }, index) => [
      { path: `targets[${index}].url`, url, kind: "web" as const },
      { path: `targets[${index}].store`, url: store, kind: "web" as const },
      { path: `targets[${index}].app.url`, url: app?.url, kind: "app" as const },
      { path: `targets[${index}].app.fallback`, url: app?.fallback, kind: "web" as const },
    ]),
    { path: "preview.image", url: preview?.image, kind: "image" },
  ];
  return places.filter((place): place is Place => place.url !== undefined);
}

/** Hosts of a link that only need to be added to the allowlist. */
export function hostsToAllow(link: Addressed, rules: Rules): string[] {
  return placesOf(link).flatMap(({ url }) => {
    const permission = permit(url.replace(/#.*/, ""), rules.allowlist, {
      allowLoopback: rules.allowLoopback,
    });
    return permission.ok || permission.code !== "not_allowed" ? [] : [new URL(url).host];
  });
}
