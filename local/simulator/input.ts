/** Bodies of the pages' calls. */
import type { z } from "zod";
import type { Json } from "./model.ts";

/** Validates a body. @throws RangeError that names the first member that is wrong. */
export function readInput<T>(schema: z.ZodType<T>, body: Json): T {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new RangeError(`${issue.path.join(".") || "body"}: ${issue.message}`);
}
