/**
 * The team's own apps, as the setting `deeplinks.apps` lists them. Pure.
 *
 * @module
 */
import { PACKAGE } from "../../contract/link_limits.ts";

/** The team's own apps, in the terms in which their platforms ask who may open links of a domain. */
export interface Apps {
  /** `app_id`: team id and bundle id, "ABCDE12345.com.example.app". */
  readonly ios: readonly { readonly app_id: string; readonly paths?: readonly string[] }[];
  /** `sha256`: fingerprints of the app's signing certificates. */
  readonly android: readonly { readonly package: string; readonly sha256: readonly string[] }[];
}

/** The setting that lists the apps. */
export const APPS_SETTING = "deeplinks.apps";

const APP_ID = /^[A-Z0-9]{10}(\.[A-Za-z0-9-]{1,100}){1,10}$/;
const APP_PATH = /^!?[/*][!-~]*$/;
const FINGERPRINT = /^([0-9A-F]{2}:){31}[0-9A-F]{2}$/i;

/** Parses the setting. Failure policy: closed. An app with an invalid description opens nothing. */
export function readApps(text = "{}"): Apps {
  const value = parsed(text);
  const { ios, android } = isObject(value) ? value : {};
  return {
    ios: objects(ios).flatMap(({ app_id, paths }) =>
      typeof app_id === "string" && APP_ID.test(app_id)
        ? [{
          app_id,
          ...(Array.isArray(paths) ? { paths: paths.filter((path) => typeof path === "string") } : {}),
        }]
        : []
    ),
    android: objects(android).flatMap(({ package: name, sha256 }) => {
      const prints = (Array.isArray(sha256) ? sha256 : [sha256])
        .filter((print): print is string => typeof print === "string" && FINGERPRINT.test(print));
      return typeof name === "string" && PACKAGE.test(name)
        ? [{ package: name, sha256: prints.map((print) => print.toUpperCase()) }]
        : [];
    }),
  };
}

/**
 * The fault in a value of the setting; undefined if it is valid. The database refuses the same values on writing
 * (`private.apps_fault`); this finds values stored before that check.
 */
export function appsFault(text: string): string | undefined {
  const value = parsed(text);
  if (value === undefined) return "the value is not JSON";
  if (!isObject(value) || !hasOnly(value, "ios", "android") || !Object.values(value).every(Array.isArray)) {
    return "the value must be an object with the lists ios and android, and nothing else";
  }
  const { ios = [], android = [] } = value as { ios?: unknown[]; android?: unknown[] };
  for (const [index, app] of ios.entries()) {
    const fault = iosFault(app);
    if (fault !== undefined) return `ios[${index}]${fault}`;
  }
  for (const [index, app] of android.entries()) {
    const fault = androidFault(app);
    if (fault !== undefined) return `android[${index}]${fault}`;
  }
}

function iosFault(app: unknown): string | undefined {
  if (!isObject(app) || !hasOnly(app, "app_id", "paths")) {
    return " must be an object with app_id and, where wanted, paths";
  }
  if (typeof app.app_id !== "string" || !APP_ID.test(app.app_id)) {
    return ".app_id must be the team id of ten capitals and digits, a dot and the bundle id, like ABCDE12345.com.example.app";
  }
  if (app.paths !== undefined && !isListOf(app.paths, APP_PATH)) {
    return ".paths must be a list of paths that begin with / or *, after a ! to exclude one";
  }
}

function androidFault(app: unknown): string | undefined {
  if (!isObject(app) || !hasOnly(app, "package", "sha256")) {
    return " must be an object with package and sha256";
  }
  if (typeof app.package !== "string" || !PACKAGE.test(app.package)) {
    return ".package must be like com.example.app";
  }
  if (!isListOf(app.sha256, FINGERPRINT)) {
    return ".sha256 must list fingerprints of 32 pairs of hex digits with colons between them, like 14:6D:E9:…";
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function hasOnly(value: object, ...names: string[]): boolean {
  return Object.keys(value).every((name) => names.includes(name));
}

/** Whether a value is a non-empty list of texts that match a pattern. */
function isListOf(value: unknown, form: RegExp): boolean {
  return Array.isArray(value) && value.length > 0 &&
    value.every((item) => typeof item === "string" && form.test(item));
}

function objects(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}
