/** Values of the setting `deeplinks.apps` and what is wrong with them, for the two places that judge them. */

const print = Array(32).fill("AB").join(":");
const ios = (app: unknown) => JSON.stringify({ ios: [app] });
const android = (app: unknown) => JSON.stringify({ android: [app] });
const app_id = "ABCDE12345.com.example.app", name = "com.example.app";

/** The value, and what its fault begins with; undefined for none. */
export const APP_LISTS: [value: string, fault: string | undefined][] = [
  ["{}", undefined],
  ['{"ios": [], "android": []}', undefined],
  [ios({ app_id }), undefined],
  [ios({ app_id, paths: ["/a/*", "!/a/b", "*", "/?x"] }), undefined],
  [android({ package: name, sha256: [print, print.toLowerCase()] }), undefined],
  ["", "the value is not JSON"],
  ["{", "the value is not JSON"],
  ["null", "the value must be an object"],
  ["[]", "the value must be an object"],
  ['"x"', "the value must be an object"],
  ['{"iOS": []}', "the value must be an object"],
  ['{"ios": {}}', "the value must be an object"],
  ['{"ios": null}', "the value must be an object"],
  [ios("x"), "ios[0] must be"],
  [ios({ appID: app_id }), "ios[0] must be"],
  [ios({}), "ios[0].app_id must be the team id"],
  [ios({ app_id: 7 }), "ios[0].app_id must be the team id"],
  [ios({ app_id: "com.example.app" }), "ios[0].app_id must be the team id"],
  [ios({ app_id: "ABCDE12345" }), "ios[0].app_id must be the team id"],
  [ios({ app_id: "abcde12345.com.example.app" }), "ios[0].app_id must be the team id"],
  [ios({ app_id: `${app_id}.` }), "ios[0].app_id must be the team id"],
  [ios({ app_id: `${app_id}\n` }), "ios[0].app_id must be the team id"],
  [ios({ app_id: "ABCDE12345.com.example.*" }), "ios[0].app_id must be the team id"],
  [ios({ app_id, paths: "/a" }), "ios[0].paths must be a list"],
  [ios({ app_id, paths: [] }), "ios[0].paths must be a list"],
  [ios({ app_id, paths: [7] }), "ios[0].paths must be a list"],
  [ios({ app_id, paths: ["NOT /a"] }), "ios[0].paths must be a list"],
  [ios({ app_id, paths: ["a/*"] }), "ios[0].paths must be a list"],
  [ios({ app_id, paths: ["/a b"] }), "ios[0].paths must be a list"],
  [android(null), "android[0] must be"],
  [android({ package: name, sha256: [print], sha1: "x" }), "android[0] must be"],
  [android({ sha256: [print] }), "android[0].package must be like"],
  [android({ package: "app", sha256: [print] }), "android[0].package must be like"],
  [android({ package: "com.example-app", sha256: [print] }), "android[0].package must be like"],
  [android({ package: "com.1example", sha256: [print] }), "android[0].package must be like"],
  [android({ package: name }), "android[0].sha256 must list"],
  [android({ package: name, sha256: print }), "android[0].sha256 must list"],
  [android({ package: name, sha256: [] }), "android[0].sha256 must list"],
  [android({ package: name, sha256: [print.replaceAll(":", "")] }), "android[0].sha256 must list"],
  [android({ package: name, sha256: [print.replaceAll(":", " ")] }), "android[0].sha256 must list"],
  [android({ package: name, sha256: [`${print}:AB`] }), "android[0].sha256 must list"],
  // A SHA-1 is what consoles show beside it.
  [android({ package: name, sha256: [Array(20).fill("AB").join(":")] }), "android[0].sha256 must list"],
  [
    '{"android":[{"package":"com.example.app","sha256":["146de983c5730650d8eeb9952f34fc6416a08342e61dbea88a0496b23fcf44e5"]}],"ios":[{"app_id":"com.example.app"}]}',
    "ios[0].app_id must be the team id",
  ],
];
