/**
 * Sentences about replies in a service's answer that were not used.
 *
 * @module
 */
import type { ReplyFault } from "../states.ts";

const WHY: Readonly<Record<ReplyFault | "refused", string>> = {
  answer_too_long: "the answer is longer than 64 KB",
  not_json: "the answer is declared as JSON but is not",
  not_json_type: "the answer's content-type is not application/json",
  not_utf8: "the answer is not in UTF-8",
  bare_list: 'the answer is a list, not {"replies": […]}',
  not_a_list: '"replies" is not a list',
  too_many: "there are more than 10",
  not_objects: "one is not an object",
  too_deep: "one is nested too deep",
  refused: "the channel would refuse some of them; the log says which and why",
};

/** The sentence for a code. Unknown codes are shown unchanged. */
export function repliesInWords(code: string): string {
  return WHY[code as ReplyFault] ?? code;
}
