/**
 * Parts of outbound messages: media and interactive elements.
 *
 * @module
 */
import { z } from "zod";

/** Text of 1 to `most` characters (code points, so that an emoji counts once). */
export function words(most: number) {
  return z.string().min(1, "must not be empty").refine(
    (value) => value.length <= most || [...value].length <= most,
    `must have at most ${most} characters`,
  ).meta({ maxLength: most });
}

const link = z.url({ protocol: /^https?$/, error: "must be an http(s) URL" }).meta({ pattern: "^https?://" });

/** In JSON Schema: exactly one of two members is there. */
const eitherOf = (...names: [string, string]) => ({ oneOf: names.map((name) => ({ required: [name] })) });

/** Media, given either by an uploaded file's `id` or by a `link` that Meta fetches, not both. */
export function mediaOf<Shape extends z.ZodRawShape>(more: Shape) {
  return z.looseObject({ id: words(512).optional(), link: link.optional(), ...more }).superRefine(
    (media, context) => {
      const { id, link } = media as { id?: unknown; link?: unknown };
      if ((id === undefined) === (link === undefined)) {
        context.addIssue({ code: "custom", message: "needs either `id` or `link`" });
      }
    },
  ).meta({
    ...eitherOf("id", "link"),
    description: "An uploaded file's `id`, or a `link` that Meta fetches",
  });
}

const textHeader = z.looseObject({ type: z.literal("text"), text: words(60) });
const header = z.discriminatedUnion("type", [
  textHeader,
  z.looseObject({ type: z.literal("image"), image: mediaOf({}) }),
  z.looseObject({ type: z.literal("video"), video: mediaOf({}) }),
  z.looseObject({ type: z.literal("document"), document: mediaOf({}) }),
]);
const body = (most: number) => z.looseObject({ text: words(most) });
const footer = z.looseObject({ text: words(60) });

/** Adds an issue for each repeated value of `values`. */
function refuseRepeated(
  values: (string | undefined)[],
  pathOf: (index: number) => PropertyKey[],
  context: z.RefinementCtx,
): void {
  values.forEach((value, index) => {
    if (value !== undefined && values.indexOf(value) < index) {
      context.addIssue({ code: "custom", path: pathOf(index), message: "must be unique in the message" });
    }
  });
}

const buttons = z.array(z.looseObject({
  type: z.literal("reply"),
  reply: z.looseObject({ id: words(256), title: words(20) }),
})).min(1).max(3).superRefine((buttons, context) => {
  refuseRepeated(buttons.map(({ reply }) => reply.id), (index) => [index, "reply", "id"], context);
  refuseRepeated(buttons.map(({ reply }) => reply.title), (index) => [index, "reply", "title"], context);
}).describe("Ids and titles must be unique");

const row = z.looseObject({ id: words(200), title: words(24), description: words(72).optional() });
const sections = z.array(z.looseObject({ title: words(24).optional(), rows: z.array(row).min(1) }))
  .min(1).max(10).superRefine((sections, context) => {
    const places = sections.flatMap(({ rows }, section) => rows.map(({ id }, row) => ({ id, section, row })));
    if (places.length > 10) {
      context.addIssue({ code: "custom", message: "must have at most 10 rows in all sections together" });
    }
    refuseRepeated(
      places.map(({ id }) => id),
      (index) => [places[index].section, "rows", places[index].row, "id"],
      context,
    );
    if (sections.length > 1) {
      sections.forEach(({ title }, section) => {
        if (title === undefined) {
          const message = "is needed where there are several sections";
          context.addIssue({ code: "custom", path: [section, "title"], message });
        }
      });
    }
  }).describe("At most 10 rows in total; several sections need titles");

const ctaUrl = z.looseObject({
  name: z.literal("cta_url"),
  parameters: z.looseObject({ display_text: words(20), url: link }),
});

const flow = z.looseObject({
  name: z.literal("flow"),
  parameters: z.looseObject({
    flow_message_version: z.string().min(1),
    flow_cta: words(30),
    flow_id: z.string().min(1).optional(),
    flow_name: z.string().min(1).optional(),
  }).refine(
    ({ flow_id, flow_name }) => (flow_id === undefined) !== (flow_name === undefined),
    "needs either `flow_id` or `flow_name`",
  ).meta(eitherOf("flow_id", "flow_name")),
});

/** Elements that are checked in full. */
export const knownInteractive = z.discriminatedUnion("type", [
  z.looseObject({
    type: z.literal("button"),
    header: header.optional(),
    body: body(1024),
    footer: footer.optional(),
    action: z.looseObject({ buttons }),
  }),
  z.looseObject({
    type: z.literal("list"),
    header: textHeader.optional(),
    body: body(4096),
    footer: footer.optional(),
    action: z.looseObject({ button: words(20), sections }),
  }),
  z.looseObject({
    type: z.literal("cta_url"),
    header: header.optional(),
    body: body(1024),
    footer: footer.optional(),
    action: ctaUrl,
  }),
  z.looseObject({
    type: z.literal("flow"),
    header: header.optional(),
    body: body(1024),
    footer: footer.optional(),
    action: flow,
  }),
  z.looseObject({
    type: z.literal("location_request_message"),
    body: body(1024),
    action: z.looseObject({ name: z.literal("send_location") }),
  }),
]);

const KNOWN: readonly string[] = ["button", "list", "cta_url", "flow", "location_request_message"];

/** Products, catalogues, calls, addresses, carousels and what Meta will add: the outline only. */
export const otherInteractive = z.looseObject({
  type: z.string().min(1).meta({ not: { enum: KNOWN } }),
  header: z.looseObject({ type: z.string().min(1) }).optional(),
  body: z.looseObject({}).optional(),
  footer: footer.optional(),
  action: z.looseObject({}),
});

/** The `interactive` object: buttons, list, URL button, flow and location request in full, others in outline. */
export const interactiveSchema = z.looseObject({
  type: z.string().min(1).meta({ examples: KNOWN }),
}).transform((value, context) => {
  const result = (KNOWN.includes(value.type) ? knownInteractive : otherInteractive).safeParse(value);
  if (result.success) return result.data as z.output<typeof otherInteractive>;
  for (const issue of result.error.issues) context.addIssue({ ...issue, code: "custom", input: undefined });
  return z.NEVER;
}).meta({
  anyOf: ["KnownInteractive", "OtherInteractive"].map((name) => ({ $ref: `#/components/schemas/${name}` })),
});
