/** Random acts on an organisation. */
import fc from "fast-check";
import { type Act, CLIENTS, POOL, SITTERS } from "./masking.ts";

const client = fc.nat({ max: CLIENTS - 1 }), sitter = fc.nat({ max: SITTERS - 1 });
const person = fc.oneof(client.map((i) => `c${i}`), sitter.map((i) => `s${i}`));

/** Texts come most, assignments before the rest, so that there is somebody to hear. */
export const anyAct: fc.Arbitrary<Act> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant("assign" as const), client, sitter }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("unassign" as const), client, sitter }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("end" as const), client }) },
  { weight: 1, arbitrary: fc.constant({ do: "release" as const }) },
  {
    weight: 12,
    arbitrary: fc.record({ do: fc.constant("text" as const), from: person, number: fc.nat({ max: POOL }) }),
  },
);
