/** Errors of Postgres in PostgREST's form, where @supabase/lite answers 500 "SUP". */

/** An error as postgres.js and Postgres describe it. */
interface DbError {
  code?: string;
  message?: string;
  detail?: string | null;
  hint?: string | null;
  /** ERROR ends a statement; FATAL ends the connection or the attempt to connect. */
  severity?: string;
}

/**
 * SQLSTATE classes and their HTTP status, as in PostgREST
 * (https://docs.postgrest.org/en/v13/references/errors.html); all others are 400.
 */
const STATUS: Record<string, number> = {
  "08": 503,
  "09": 500,
  "0L": 403,
  "0P": 403,
  "25": 500,
  "28": 403,
  "2D": 500,
  "38": 500,
  "39": 500,
  "3B": 500,
  "40": 500,
  "53": 503,
  "54": 500,
  "55": 500,
  "57": 500,
  "58": 500,
  "F0": 500,
  "HV": 500,
  "P0": 500,
  "XX": 500,
};

/** Single codes that differ from their class. */
const STATUS_OF: Record<string, number> = {
  "23503": 409,
  "23505": 409,
  "25006": 405,
  "42501": 403,
  "42883": 404,
  "42P01": 404,
  "P0001": 400,
};

/** Converts an error of Postgres to PostgREST's response. */
export function errorAnswer(error: unknown): Response {
  const { code = "", message, detail = null, hint = null } = error as DbError;
  return Response.json({ code, message, details: detail, hint }, { status: statusOf(code) });
}

/** SQL requests a status with `PT` and three digits. */
function statusOf(code: string): number {
  const asked = /^PT([2-5]\d\d)$/.exec(code)?.[1];
  return asked ? Number(asked) : STATUS_OF[code] ?? STATUS[code.slice(0, 2)] ?? 400;
}

/** Codes that lite answers like PostgREST. */
const KNOWN_TO_LITE = /^(PGRST|PT|42|22|21|23502$|23503$|23505$|25006$)/;

/**
 * Whether the database was unavailable: no connection could be made, the connection ended (every FATAL error
 * ends one), or the server is starting or stopping. A later attempt may succeed.
 */
export function isOutage(error: unknown): boolean {
  const { code, severity } = (error ?? {}) as Partial<DbError>;
  return severity === "FATAL" || typeof code === "string" &&
      /^(08...|57P0[123]|CONNECTION_(CLOSED|ENDED|DESTROYED)|CONNECT_TIMEOUT|E(CONNREFUSED|CONNRESET|PIPE|TIMEDOUT|NOTFOUND|HOSTUNREACH))$/
        .test(code);
}

/** Marks a response for local/data_api/data_api.ts: the database could not be reached. */
export const OUTAGE_HEADER = "x-database-outage";

/** Adds that mark to a response. */
export function noticed(answer: Response): Response {
  answer.headers.set(OUTAGE_HEADER, "1");
  return answer;
}

/** PostgREST's response without a database connection. */
export function OUTAGE_ANSWER(): Response {
  return Response.json(OUTAGE, { status: 503 });
}
const OUTAGE = {
  code: "PGRST001",
  message: "Database client error. Retrying the connection.",
  details: null,
  hint: null,
};

/**
 * An error in the form of PostgREST's `raise sqlstate 'PGRST'`, with which SQL can determine the whole
 * response and which lite supports; errors that lite answers correctly stay unchanged.
 */
export class DatabaseFault extends Error {
  code?: string;
  detail?: string | null;
  hint?: string | null;
  #original: DbError;

  /**
   * Converts an error of the database to that form; lite's own errors, such as for a missing table, stay
   * unchanged.
   */
  static of(error: unknown, headers: Record<string, string>): unknown {
    const code = (error as DbError)?.code ?? "";
    return isOutage(error) || /^[0-9A-Z]{5}$/.test(code)
      ? new DatabaseFault(error as DbError, headers)
      : error;
  }

  private constructor(original: DbError, headers: Record<string, string>) {
    super(original.message, { cause: original });
    this.#original = original;
    Object.assign(this, original);
    const { code = "", message, detail = null, hint = null } = original;
    if (isOutage(original)) this.#answer(503, OUTAGE, headers);
    else if (!KNOWN_TO_LITE.test(code)) {
      this.#answer(statusOf(code), { code, message, details: detail, hint }, headers);
    }
  }

  #answer(status: number, body: Record<string, unknown>, headers: Record<string, string>): void {
    this.code = "PGRST";
    this.message = JSON.stringify(body);
    this.detail = JSON.stringify({ status, headers });
  }

  /** lite prints every error. Its text may contain values of a row, so only the code is logged. */
  [Symbol.for("Deno.customInspect")](): string {
    return `Data API: the database answered ${this.#original.code}`;
  }
}
