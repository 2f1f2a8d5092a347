/**
 * Checks every address in a link that was written.
 *
 * @module
 */
import type { ChangedLink, Chat, LinkBody } from "../../contract/links.ts";
import type { Rules } from "./rules.ts";
import { chatAddress, checkApp, checkPackage, checkWeb, tooLongToSend, type UrlCheck } from "./urls.ts";

/** A place that a link may not lead to. */
export interface Disallowed {
  /** Such as `targets[0].url`. */
  readonly path: string;
  readonly why: string;
}

/** A placeholder with the length of a token. */
const TOKEN = "x".repeat(16);

/** Checks every address of a link against the rules and normalises it as browsers do. Returns the disallowed places. */
export function checkPlaces(link: LinkBody | ChangedLink, rules: Rules): Disallowed[] {
  const faults: Disallowed[] = [];
  const keep = (path: string, check: UrlCheck, given: string): string => {
    if (check.ok) return check.url;
    faults.push({ path, why: check.why });
    return given;
  };
  const short = (path: string, location: string) => {
    const why = tooLongToSend(location);
    if (why !== undefined) faults.push({ path, why });
  };
  const chat = (path: string, chat: Chat) => {
    chat.phone_number_id = idOf(chat.phone_number_id, rules.numbers);
    const { phone_number_id, text = "" } = chat;
    const number = rules.numbers.get(phone_number_id);
    if (number === undefined) {
      faults.push({ path: `${path}.phone_number_id`, why: "is not one of the business numbers" });
    } else {
      const { head, tail } = chatAddress(number, text, rules.textTemplate);
      short(`${path}.text`, `${head}${TOKEN}${tail}`);
    }
  };
  if (link.default_url !== undefined) {
    link.default_url = keep("default_url", checkWeb(link.default_url, rules), link.default_url);
  }
  if (link.expired_url !== undefined) {
    link.expired_url = keep("expired_url", checkWeb(link.expired_url, rules), link.expired_url);
  }
  if (link.whatsapp !== undefined) chat("whatsapp", link.whatsapp);
  link.targets?.forEach((target, index) => {
    const path = `targets[${index}]`;
    if (target.url !== undefined) target.url = keep(`${path}.url`, checkWeb(target.url, rules), target.url);
    if (target.store !== undefined) {
      target.store = keep(`${path}.store`, checkWeb(target.store, rules), target.store);
    }
    if (target.whatsapp !== undefined) chat(`${path}.whatsapp`, target.whatsapp);
    if (target.app !== undefined) {
      const { app } = target;
      app.url = keep(`${path}.app.url`, checkApp(app.url, rules), app.url);
      if (app.fallback !== undefined) {
        app.fallback = keep(`${path}.app.fallback`, checkWeb(app.fallback, rules), app.fallback);
      }
      if (app.package !== undefined && !checkPackage(app.package, rules)) {
        faults.push({
          path: `${path}.app.package`,
          why: "is not one of the apps in the setting deeplinks.apps",
        });
      }
    }
  });
  const { image } = link.preview ?? {};
  if (image !== undefined) link.preview!.image = keep("preview.image", checkWeb(image, rules), image);
  return faults;
}

/** The id of a business number, which may be named by its id or by the number in any notation. */
function idOf(named: string, numbers: Rules["numbers"]): string {
  if (numbers.has(named) || !/^\+?[\d\s().\/-]+$/.test(named)) return named;
  const digits = named.replace(/\D/g, "");
  const ids = [...numbers].filter(([, number]) => number === digits).map(([id]) => id);
  return ids.length === 1 ? ids[0] : named;
}
