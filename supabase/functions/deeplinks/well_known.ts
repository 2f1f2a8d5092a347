/**
 * The files in which a link domain states which apps may open its links.
 *
 * @module
 */
import { appleAppSiteAssociation, assetLinks } from "../_shared/links/model/domain.ts";
import type { Rules } from "../_shared/links/model/rules.ts";

/** Short, since Apple's and Google's caches ask rarely and a change of the apps should not take a day. */
const KEPT = { "cache-control": "public, max-age=300" };

/** Creates the handlers of `GET /.well-known/apple-app-site-association` and `GET /.well-known/assetlinks.json`. */
export function createWellKnown(rules: () => Promise<Rules>) {
  return {
    appleAppSiteAssociation: async () =>
      Response.json(appleAppSiteAssociation((await rules()).apps), { headers: KEPT }),
    assetLinks: async () => Response.json(assetLinks((await rules()).apps), { headers: KEPT }),
  };
}
