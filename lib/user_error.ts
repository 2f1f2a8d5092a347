/** A problem with the machine or the user's input, in a sentence for the user: printed without a stack. */
export class UserError extends Error {
  override name = "UserError";
}

/** Another process uses the port. */
export class PortInUse extends UserError {
  override name = "PortInUse";

  constructor(
    port: number,
    message = `Port ${port} is in use. Stop the program that uses it, or choose another with --port.`,
  ) {
    super(message);
  }
}
