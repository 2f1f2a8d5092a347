/** What is wrong with the machine or with the user's input, in a sentence for that user: printed without a stack. */
export class UserError extends Error {
  override name = "UserError";
}

/** Somebody else has the port. */
export class PortInUse extends UserError {
  override name = "PortInUse";

  constructor(
    port: number,
    message = `Port ${port} is in use. Stop the program that uses it, or choose another with --port.`,
  ) {
    super(message);
  }
}
