/** Values that only a person has: from the environment, else asked for without an echo. They are kept in memory only. */
import { CliError } from "../../core/errors.ts";
import type { Io } from "../../core/io.ts";

/** A value to ask for. */
export interface Wanted {
  /** Name of the environment variable. */
  readonly name: string;
  /** What it is and where it is found, as people look for it. */
  readonly about: string;
  /** Says what is wrong with a value; undefined if nothing is. */
  wrong?(value: string): string | undefined;
}

/** See the module. */
export class Inputs {
  readonly #io: Pick<Io, "env" | "secret">;
  readonly #given = new Map<string, string>();

  constructor(io: Pick<Io, "env" | "secret">) {
    this.#io = io;
  }

  /** The value, if it is in the environment or was given already. */
  known(name: string): string | undefined {
    return this.#given.get(name) ?? (this.#io.env[name]?.trim() || undefined);
  }

  /**
   * The value. @throws {CliError} usage, if it is not known and there is no terminal to ask on, or if it is malformed
   */
  async value({ name, about, wrong }: Wanted): Promise<string> {
    const value = this.known(name) ?? (await this.#io.secret(`${name} (${about}): `))?.trim();
    if (!value) throw new CliError("usage", `${name} is missing: ${about}.`, `Set it in the environment.`);
    const fault = wrong?.(value);
    if (fault !== undefined) {
      throw new CliError("usage", `${name} is not usable: ${fault}.`, `It is the ${about}.`);
    }
    this.#given.set(name, value);
    return value;
  }

  /** Keeps a value that was made here. */
  keep(name: string, value: string): void {
    this.#given.set(name, value);
  }
}
