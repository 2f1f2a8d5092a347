/**
 * The folder with all data of one local stack: the Postgres cluster, the stored files, the keys, the simulator's
 * conversations.
 *
 * `keys.json` marks a folder as ours. `stack.json` exists while a stack runs on it (or after it was killed).
 * `lock` is locked by the one process that may use the folder; the lock ends with that process, however that
 * ends.
 */
import { generateApiKey } from "@supabase/lite";
import { statfsSync } from "node:fs";
import { join, resolve } from "../../lib/paths.ts";
import { UserError } from "../../lib/user_error.ts";

/** Values generated once, at random, and stored. */
export interface Keys {
  publishableKey: string;
  secretKey: string;
  /** Signs the tokens of signed-in users. */
  jwtSecret: string;
  dbPassword: string;
  admin: { email: string; password: string };
  whatsapp: {
    appSecret: string;
    verifyToken: string;
    accessToken: string;
    /** Meta's id of the business number. */
    phoneNumberId: string;
    /** The number itself, digits only; a number that is never assigned. */
    displayNumber: string;
  };
  email: {
    /** Of the simulated SendGrid. */
    apiKey: string;
    /** The key pair with which it signs what it posts, in base64: PKCS #8 and SubjectPublicKeyInfo. */
    signingKey: string;
    publicKey: string;
    /** Bearer token of services that send mail. */
    apiToken: string;
  };
}

/** The content of `stack.json`, with which others find a running stack. */
export interface StackFile {
  /** Public URL, without a trailing slash. */
  url: string;
  dbUrl: string;
  publishableKey: string;
  secretKey: string;
  admin: { email: string; password: string };
  whatsapp: { appSecret: string; verifyToken: string; phoneNumberId: string };
  email: { apiToken: string; replyDomain: string; sendDomain: string };
  /** LB_ADMIN_TOKEN of the gateway. */
  traffic: { token: string };
  /** Folder of the functions; its `.env` holds the secrets of this stack. */
  functions: string;
  /** `postgres` is absent if the stack uses the user's own database. */
  pids: { supervisor: number; functions: number; postgres?: number };
}

export interface DataFolder {
  path: string;
  keys: Keys;
  /** The stack.json of an earlier run, if it was killed. */
  left: StackFile | undefined;
  /** Writes stack.json, readable only by its owner. */
  announce(stack: StackFile): void;
  /** Removes stack.json and releases the folder. */
  release(): void;
}

/** Names of a stack's files in its folder; `keys.json` alone could belong to any project. */
const OURS = /^(postgres|keys|stack|simulator|deployed|mails|files|lock)(\.|$)/;

/** Free space needed for a new cluster with its first write-ahead log, and to continue with one, in bytes. */
const ROOM = { new: 400e6, more: 100e6 };

/**
 * Creates or opens the folder and locks it.
 * @param options.fresh First removes the content, if the folder is ours.
 * @throws UserError if it cannot be used: somebody else's, in use, broken, not writable, no space.
 */
export async function openDataFolder(dir: string, options: { fresh?: boolean } = {}): Promise<DataFolder> {
  const path = resolve(dir);
  try {
    return await open(path, options.fresh ?? false);
  } catch (error) {
    throw explain(error, path);
  }
}

async function open(path: string, fresh: boolean): Promise<DataFolder> {
  await Deno.mkdir(path, { recursive: true });
  const names = [...Deno.readDirSync(path)].map((entry) => entry.name);
  if (names.some((name) => name !== "lock") && !names.includes("keys.json")) {
    throw new UserError(
      `${path} holds files that are not Gatelink's: ${
        names.slice(0, 3).join(", ")
      }. Give --data an empty folder, ` +
        `one that does not exist yet, or one from an earlier start.`,
    );
  }
  const lock = await Deno.open(join(path, "lock"), { create: true, write: true, read: true });
  if (!await lock.tryLock(true)) {
    lock.close();
    throw new UserError(`A Gatelink stack is already running on ${path}. Stop it, or give another --data.`);
  }
  try {
    const left = parse<StackFile>(join(path, "stack.json"));
    if (fresh) {
      const foreign = names.filter((name) => !OURS.test(name));
      if (foreign.length > 0) {
        throw new UserError(
          `--fresh would remove files that are not Gatelink's from ${path}: ${
            foreign.slice(0, 3).join(", ")
          }. ` +
            `Move them away, or give another --data.`,
        );
      }
      for (const name of names) if (name !== "lock") await Deno.remove(join(path, name), { recursive: true });
    }
    checkRoom(path);
    // Postgres may run as another user, who has to pass through; what is in here is closed to others by itself.
    if (Deno.build.os !== "windows") await Deno.chmod(path, 0o711);
    const keys = await withEmail(parse<Keys>(join(path, "keys.json")) ?? await makeKeys(), path);
    return {
      path,
      keys,
      left: fresh ? undefined : left,
      announce: (stack) => write(join(path, "stack.json"), stack),
      release: () => {
        try {
          Deno.removeSync(join(path, "stack.json"));
        } catch (error) {
          if (!(error instanceof Deno.errors.NotFound)) throw error;
        }
        lock.close();
      },
    };
  } catch (error) {
    lock.close();
    throw error;
  }
}

function checkRoom(path: string): void {
  const { bavail, bsize } = statfsSync(path);
  const needed = exists(join(path, "postgres")) ? ROOM.more : ROOM.new;
  const free = bavail * bsize;
  if (free < needed) {
    throw new UserError(
      `There is no free disk space for ${path}: ${Math.floor(free / 1e6)} MB are left and ${
        needed / 1e6
      } MB are ` +
        `needed. Free some, or give --data a folder on another disk.`,
    );
  }
}

/** Keys with those that came later, which the folder of an older version lacks. */
async function withEmail(keys: Omit<Keys, "email"> & Partial<Keys>, path: string): Promise<Keys> {
  if (keys.email !== undefined) return { ...keys, email: keys.email };
  const all = { ...keys, email: await makeEmail() };
  write(join(path, "keys.json"), all);
  return all;
}

async function makeEmail(): Promise<Keys["email"]> {
  const pair = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, [
    "sign",
    "verify",
  ]);
  const [signingKey, publicKey] = await Promise.all([
    crypto.subtle.exportKey("pkcs8", pair.privateKey),
    crypto.subtle.exportKey("spki", pair.publicKey),
  ]).then((keys) => keys.map((key) => btoa(String.fromCharCode(...new Uint8Array(key)))));
  return { apiKey: `SG.${random(24)}`, signingKey, publicKey, apiToken: random(24) };
}

async function makeKeys(): Promise<Omit<Keys, "email">> {
  return {
    publishableKey: (await generateApiKey("publishable")).key,
    secretKey: (await generateApiKey("secret")).key,
    jwtSecret: random(32),
    dbPassword: random(24),
    admin: { email: "admin@example.com", password: random(12) },
    whatsapp: {
      appSecret: random(16),
      verifyToken: random(16),
      accessToken: random(32),
      phoneNumberId: "100000000000100",
      displayNumber: "15550100100",
    },
  };
}

/** Random bytes in hex. */
function random(bytes: number): string {
  return Array.from(
    crypto.getRandomValues(new Uint8Array(bytes)),
    (byte) => byte.toString(16).padStart(2, "0"),
  ).join("");
}

/** Writes a file atomically, readable only by its owner. */
function write(path: string, value: unknown): void {
  const draft = `${path}.new`;
  Deno.writeTextFileSync(draft, JSON.stringify(value, null, 2) + "\n", { mode: 0o600 });
  Deno.renameSync(draft, path);
}

function parse<T>(path: string): T | undefined {
  if (!exists(path)) return undefined;
  try {
    const value = JSON.parse(Deno.readTextFileSync(path));
    if (typeof value === "object" && value !== null) return value as T;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new UserError(
    `${path} is broken. Use --fresh to start over (the data is lost), or give another --data.`,
  );
}

function explain(error: unknown, path: string): unknown {
  if (error instanceof UserError || !(error instanceof Error)) return error;
  if (/os error 28|ENOSPC|No space left/.test(error.message)) {
    return new UserError(
      `There is no free disk space for ${path}. Free some, or give --data a folder on another disk.`,
    );
  }
  if (error instanceof Deno.errors.NotADirectory || error instanceof Deno.errors.AlreadyExists) {
    return new UserError(`${path} is a file. Give --data a folder.`);
  }
  if (error instanceof Deno.errors.NotFound || /os error (1|13|30)\b|denied|Read-only/.test(error.message)) {
    return new UserError(`${path} can't be written: ${error.message}. Give --data a folder of your own.`);
  }
  return error;
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
