/**
 * The files that Apple and Google request from a link domain, which state which apps may open its links.
 *
 * Both files must be served at the domain's root with JSON's content type and without a redirect.
 *
 * @module
 */
import type { Apps } from "./apps.ts";

/** `/.well-known/apple-app-site-association`. Without `paths` an app opens every link of the domain. */
export function appleAppSiteAssociation({ ios }: Apps): unknown {
  return {
    applinks: {
      details: ios.map(({ app_id, paths = ["/*"] }) => ({
        appIDs: [app_id],
        components: paths.map((path) =>
          path.startsWith("!") ? { "/": path.slice(1), exclude: true } : { "/": path }
        ),
      })),
    },
  };
}

/** `/.well-known/assetlinks.json`. */
export function assetLinks({ android }: Apps): unknown {
  return android.map(({ package: package_name, sha256 }) => ({
    relation: ["delegate_permission/common.handle_all_urls"],
    target: { namespace: "android_app", package_name, sha256_cert_fingerprints: sha256 },
  }));
}
