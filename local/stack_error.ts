/** What is wrong with the machine or with the user's input, in a sentence for that user: printed without a stack. */
export class StackError extends Error {
  override name = "StackError";
}
