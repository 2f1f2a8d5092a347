/**
 * The files by which a link domain says which apps may open its links.
 *
 * @module
 */
import { appleAppSiteAssociation, assetLinks } from "../_shared/links/model/domain.ts";
import type { Rules } from "../_shared/links/model/rules.ts";

/** Apple's and Google's caches ask seldom enough; a change of the apps should not wait for a day. */
const KEPT = { "cache-control": "public, max-age=300" };

/** Makes the answers to `GET /.well-known/apple-app-site-association` and `GET /.well-known/assetlinks.json`. */
export function createWellKnown(rules: () => Promise<Rules>) {
  return {
    appleAppSiteAssociation: async () =>
      Response.json(appleAppSiteAssociation((await rules()).apps), { headers: KEPT }),
    assetLinks: async () => Response.json(assetLinks((await rules()).apps), { headers: KEPT }),
  };
}
