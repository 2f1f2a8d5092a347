/**
 * Migrations after which a lower rollback level no longer helps. Such a migration says so in its head:
 *
 *     -- irreversible: deeplinks.enabled: 4: codes are stored in a form that the code before it cannot read
 *
 * This is the flag concerned (or `all`), the lowest level that still reverts it (3, 4, or `none` if only a backup
 * does), and the reason.
 */
import { listMigrations, type Migration } from "../../../lib/migrate.ts";
import { MIGRATIONS } from "../../../lib/paths.ts";
import { CliError } from "../../core/errors.ts";

/** The statement in a migration's head. */
export interface Irreversible {
  version: string;
  name: string;
  /** A flag's key, or `all`. */
  flag: string;
  /** The lowest level that reverts it; 5 if only a backup does. */
  level: 3 | 4 | 5;
  why: string;
}

const HEAD = /^-- irreversible: (\S+): (3|4|none): (.+)$/;

/**
 * The statements in the head of a migration; several if it concerns several flags. @throws {CliError} for a
 * misspelt one
 */
export function readHead({ version, name }: Migration, text: string): Irreversible[] {
  const head = text.split("\n").filter((line) => line.trim() !== "");
  const end = head.findIndex((line) => !line.startsWith("--"));
  return (end === -1 ? head : head.slice(0, end)).filter((line) => /^--\s*irreversible/i.test(line)).map(
    (line) => {
      const match = HEAD.exec(line.trimEnd());
      // One that is not understood must not be taken for none.
      if (match === null) {
        throw new CliError(
          "invalid",
          `The migration ${version}_${name} contains the invalid line “${line}”.`,
          "The format is -- irreversible: <flag or all>: <3, 4 or none>: <why>",
        );
      }
      const [, flag, level, why] = match;
      return { version, name, flag, level: level === "none" ? 5 : Number(level) as 3 | 4, why };
    },
  );
}

/** The statements of a folder's migrations, oldest first. */
export async function irreversible(folder: string = MIGRATIONS): Promise<Irreversible[]> {
  const found = listMigrations(folder).map(async (migration) =>
    readHead(migration, await Deno.readTextFile(migration.path))
  );
  return (await Promise.all(found)).flat();
}

/**
 * Refuses a rollback that does not revert what has been done; `anyway` allows it, because it may still help.
 */
export function refuseInVain(steps: Irreversible[], level: number, anyway: boolean): void {
  const [worst] = steps.filter((step) => step.level > level).sort((a, b) => b.level - a.level);
  if (worst === undefined || anyway) return;
  const { version, name, why } = worst;
  throw new CliError(
    "refused",
    `Level ${level} cannot undo this since ${version}_${name} was applied: ${why}.`,
    worst.level === 5
      ? "No level can: restore a backup from before it. --anyway uses this level anyway."
      : `Level ${worst.level} can: gatelink rollback ${worst.level} --help. --anyway uses this level anyway.`,
  );
}
