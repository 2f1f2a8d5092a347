/**
 * The Data API (`/rest/v1`) and Auth (`/auth/v1`) of the local stack: @supabase/lite on Postgres, made as
 * similar to a hosted project as possible. For development and tests only.
 */
import { App, type EmailDriver, InMemoryEmailDriver, InMemoryLruCacheDriver } from "@supabase/lite";
import { createPostgresConnection } from "@supabase/lite/postgres";
import { DatabaseFault, isOutage, noticed, OUTAGE_ANSWER, OUTAGE_HEADER } from "./errors.ts";
import { invite } from "./invite.ts";
import { createRpcPath } from "./rpc.ts";

export interface DataApiOptions {
  /**
   * Database with roles and schema auth (local/database/bootstrap.ts); its user must be able to become the
   * three roles.
   */
  dbUrl: string;
  /** Signs the tokens of signed-in users. */
  jwtSecret: string;
  /** Key of browsers: role anon, or authenticated with a user's token. */
  publishableKey: string;
  /** Key of servers: role service_role. */
  secretKey: string;
  /** Public URL that links in mails lead to. @default http://localhost:3000 */
  siteUrl?: string;
  /**
   * Receives the mails of Auth. @default keeps them in memory; none are printed, because they sign people in
   */
  email?: EmailDriver;
  /** Connections to the database. @default 20 */
  connections?: number;
}

export interface DataApi {
  /**
   * Answers requests under /rest/v1 and /auth/v1; with 503, immediately, while the database is unavailable.
   */
  fetch(request: Request): Promise<Response>;
  /**
   * Reports that the database is gone: current requests are answered 503. This is also detected
   * automatically, except for a query in the middle of a transaction, which the driver would never answer.
   */
  lost(): void;
  /** Closes the connections to the database. */
  close(): Promise<void>;
}

/** Called with a copy of each response before it is sent; tests check them against the contract. */
export const onAnswer: Set<(request: Request, response: Response) => Promise<void>> = new Set();

/** Time after an outage is noticed in which no connection is tried, in milliseconds. */
const PAUSE_MS = 100;

/** Starts serving. Connects at the first request, and reconnects automatically after an outage. */
export function createDataApi(options: DataApiOptions): DataApi {
  // Its telemetry asks this variable.
  Deno.env.set("DO_NOT_TRACK", "1");
  // What it learned of the schema outlives the connections.
  const cache = new InMemoryLruCacheDriver();
  let session = open(options, cache);
  let pausedUntil = 0;

  function lost(): void {
    pausedUntil = performance.now() + PAUSE_MS;
    const old = session;
    // A new set of connections rather than the old one again: its driver keeps the state of a query that was cut off,
    // and mixes it into the next connection.
    session = open(options, cache);
    old.cut();
  }

  return {
    lost,
    close: () => session.close(),
    async fetch(request) {
      if (performance.now() < pausedUntil) return OUTAGE_ANSWER();
      const { app, gone } = session;
      const response = await Promise.race([session.answer(request), gone]);
      if (response === undefined) return OUTAGE_ANSWER();
      if (response.headers.has(OUTAGE_HEADER) && app === session.app) lost();
      for (const look of onAnswer) await look(request, response.clone());
      return response;
    },
  };
}

function open(options: DataApiOptions, cache: InMemoryLruCacheDriver) {
  const connection = createPostgresConnection({
    url: options.dbUrl,
    postgresOptions: {
      max: options.connections ?? 20,
      connect_timeout: 5,
      onnotice: () => {},
      types: { json: json(114), jsonb: json(3802) },
    },
  });
  // It would grant everything on every table to anon, authenticated and service_role before its first answer. With
  // this it takes that for done, so that here too a caller has what the migrations grant and nothing else.
  Object.assign(connection, { rlsState: "active" });
  const normalize = connection.normalizeDbError.bind(connection);
  Object.assign(connection, {
    normalizeDbError: (error: unknown) =>
      DatabaseFault.of(normalize(error), isOutage(error) ? { [OUTAGE_HEADER]: "1" } : {}),
  });
  const app = new App({
    connection,
    auth: {
      enabled: true,
      jwt_secret: options.jwtSecret,
      publishable_key: options.publishableKey,
      secret_key: options.secretKey,
      ...options.siteUrl === undefined ? {} : { site_url: options.siteUrl },
    },
    options: {
      // Admin mode would serve requests without a key as service_role.
      server: { admin: false, disableStudio: true, disableFallback: true },
      // The default prints mails, and with them tokens that sign people in.
      drivers: { cache, email: options.email ?? new InMemoryEmailDriver() },
    },
  });
  const rpc = createRpcPath(options);
  const { promise: gone, resolve } = Promise.withResolvers<undefined>();
  let reachable: Promise<boolean> | undefined;
  return {
    app,
    gone,
    async answer(request: Request): Promise<Response> {
      // Where it can't read the schema, lite goes on as if there were no tables.
      reachable ??= connection.driver`select 1`.then(() => true, () => false);
      if (!await reachable) return noticed(OUTAGE_ANSWER());
      const invited = await invite(request, {
        auth: (request) => app.fetch(request),
        sql: connection.driver,
        secretKey: options.secretKey,
        publishableKey: options.publishableKey,
      });
      if (invited) return invited;
      const answer = await rpc.fetch(request);
      return answer instanceof Response ? answer : await app.fetch(answer);
    },
    close: async () => {
      await connection.close();
      await rpc.close();
    },
    cut(): void {
      resolve(undefined);
      rpc.cut();
      connection.driver.end({ timeout: 0 }).catch(() => {});
    },
  };
}

/** Leaves values that are already JSON text unchanged. Without it rpc() would encode its parameters twice. */
const json = (oid: number) => ({
  to: oid,
  from: [oid],
  serialize: (value: unknown) => typeof value === "string" ? value : JSON.stringify(value),
  parse: (text: string) => JSON.parse(text),
});
