/** Connections of tests to their Postgres, past the pools of the code under test. */
import postgres, { type Sql } from "postgres";

/** One superuser connection, or more. Notices are not printed. */
export function connect(url: string, max = 1): Sql {
  return postgres(url, { max, onnotice: () => {} });
}

/** The same server, another database. */
export function onDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
}
