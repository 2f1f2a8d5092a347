/** Programs that tests use where the machine has them. */

/**
 * Whether a program is installed. If not, prints that the tests which need it are NOT run; they must be
 * ignored.
 * @param needing What needs it, such as "the Python sample of docs/routing.md".
 * @param versionOption What makes it tell its version.
 */
export async function hasProgram(
  name: string,
  needing: string,
  versionOption = "--version",
): Promise<boolean> {
  const program = new Deno.Command(name, { args: [versionOption], stdout: "null", stderr: "null" });
  try {
    if ((await program.output()).success) return true;
  } catch {
    // There is none of that name.
  }
  console.warn(`${name} was not found, so ${needing} is NOT run.`);
  return false;
}
