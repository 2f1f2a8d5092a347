/**
 * Templates of WhatsApp: what values one needs, the message that these make, whether a message fits, and what the
 * person will see. For functions, panel and command line; pure, without a schema.
 *
 * Source: Meta, "Template components" and "Messages API, template object"
 * (developers.facebook.com/documentation/business-messaging/whatsapp/templates/components).
 *
 * @module
 */

type Part = Readonly<Record<string, unknown>>;

/** A template in one language, as Meta describes it. */
export interface TemplateShape {
  readonly name: string;
  readonly language: string;
  readonly category: string | null;
  readonly parameter_format: "positional" | "named";
  /** Meta's components: HEADER, BODY, FOOTER, BUTTONS. */
  readonly components: readonly Part[];
}

/** A value that a template needs. */
export interface Slot {
  /** The name under which callers give it: `first_name`, `1`, `header`, `button.0`. */
  readonly key: string;
  readonly place: "header" | "body" | "button";
  readonly kind: "text" | "image" | "video" | "document" | "location" | "url" | "copy_code";
  /** Index of the button. */
  readonly index?: number;
  /** Meta's name of the parameter, in a template with named ones. */
  readonly name?: string;
  /** What it is, for people. */
  readonly label: string;
  /** Meta's example. */
  readonly example?: string;
}

/** A file by its id or address, or a place: what a slot other than text may take. */
export type SlotValue = string | Part;

/** A fault and its place, below the message: `template.parameters.first_name`. */
export interface TemplateIssue {
  readonly path: string;
  readonly message: string;
}

/** A template as the person sees it. */
export interface TemplatePreview {
  /** The text of the header, or what kind of file it is. */
  readonly header?: { readonly kind: string; readonly text: string };
  readonly body: string;
  readonly footer?: string;
  readonly buttons: readonly { readonly kind: string; readonly text: string; readonly target?: string }[];
}

const MEDIA = ["image", "video", "document"] as const;
const VARIABLE = /\{\{\s*([A-Za-z0-9_]{1,64})\s*\}\}/g;

/** The values that a template needs, in the order in which a person reads it. */
export function slotsOf(template: TemplateShape): Slot[] {
  const slots: Slot[] = [];
  const isNamed = template.parameter_format === "named";
  const header = partOf(template, "HEADER");
  const format = lower(header?.format);
  if (header !== undefined && (format === "text" || format === "")) {
    for (const name of namesIn(header.text)) {
      const example = exampleOf(header, "header_text", name);
      slots.push({
        key: isNamed ? name : "header",
        place: "header",
        kind: "text",
        label: `Header, ${say(name)}`,
        example,
        ...(isNamed ? { name } : {}),
      });
    }
  } else if (isMedia(format) || format === "location") {
    slots.push({ key: "header", place: "header", kind: format as Slot["kind"], label: `Header, ${format}` });
  }
  const body = partOf(template, "BODY");
  for (const name of namesIn(body?.text)) {
    const example = exampleOf(body, "body_text", name);
    slots.push({
      key: name,
      place: "body",
      kind: "text",
      label: say(name),
      example,
      ...(isNamed ? { name } : {}),
    });
  }
  buttonsOf(template).forEach((button, index) => {
    const type = lower(button.type);
    const label = `Button “${text(button.text) ?? type}”`;
    if (type === "otp" || (type === "url" && namesIn(button.url).length > 0)) {
      const [example] = Array.isArray(button.example) ? button.example : [];
      slots.push({
        key: `button.${index}`,
        place: "button",
        kind: "url",
        index,
        label: `${label}, end of its address`,
        example: text(example),
      });
    } else if (type === "copy_code") {
      slots.push({
        key: `button.${index}`,
        place: "button",
        kind: "copy_code",
        index,
        label: `${label}, code`,
        example: text(button.example),
      });
    }
  });
  return slots;
}

/**
 * The message that these values make, or what is wrong with them.
 *
 * @param values By the slots' keys. A list gives the body's values in order. In a template for authentication the code
 *   of the body is also that of its button.
 */
export function fillTemplate(
  template: TemplateShape,
  values: Readonly<Record<string, SlotValue>> | readonly SlotValue[],
): { ok: true; components: Part[] } | { ok: false; issues: TemplateIssue[] } {
  const slots = slotsOf(template);
  const body = slots.filter(({ place }) => place === "body");
  const given: Record<string, SlotValue> = Array.isArray(values)
    ? Object.fromEntries(
      (values as readonly SlotValue[]).map((value, i) => [body[i]?.key ?? String(i + 1), value]),
    )
    : { ...values as Record<string, SlotValue> };
  if (lower(template.category) === "authentication" && body.length === 1) {
    for (const { key, kind } of slots) if (kind === "url") given[key] ??= given[body[0].key];
  }
  const issues: TemplateIssue[] = [];
  const keys = new Set(slots.map(({ key }) => key));
  for (const key of Object.keys(given)) {
    if (!keys.has(key)) {
      issues.push({
        path: `template.parameters.${key}`,
        message: `${template.name} has no such parameter; it has ${[...keys].join(", ") || "none"}`,
      });
    }
  }
  const parameters = new Map<Slot, Part>();
  for (const slot of slots) {
    const made = parameterOf(slot, given[slot.key]);
    if (typeof made === "string") issues.push({ path: `template.parameters.${slot.key}`, message: made });
    else parameters.set(slot, made);
  }
  if (issues.length > 0) return { ok: false, issues };
  const components: Part[] = [];
  for (const place of ["header", "body"] as const) {
    const own = slots.filter((slot) => slot.place === place).map((slot) => parameters.get(slot)!);
    if (own.length > 0) components.push({ type: place, parameters: own });
  }
  for (const slot of slots) {
    if (slot.place !== "button") continue;
    components.push({
      type: "button",
      sub_type: slot.kind,
      index: String(slot.index),
      parameters: [parameters.get(slot)!],
    });
  }
  return { ok: true, components };
}

/**
 * What is wrong with the components of a message for this template. Kinds that are not known here, such as carousels,
 * are left to Meta.
 */
export function checkComponents(template: TemplateShape, components: readonly Part[]): TemplateIssue[] {
  const issues: TemplateIssue[] = [];
  const slots = slotsOf(template);
  const add = (path: string, message: string) => issues.push({ path: `template.${path}`, message });
  const at = (type: string, index?: number) =>
    components.findIndex((part) =>
      lower(part.type) === type && (index === undefined || String(part.index) === String(index))
    );
  const isKnown = template.components.every((part) => PARTS.has(lower(part.type)));
  for (const place of ["header", "body"] as const) {
    const wanted = slots.filter((slot) => slot.place === place);
    const found = at(place);
    const given = found < 0 ? [] : listOf(components[found].parameters);
    const path = found < 0 ? "components" : `components.${found}.parameters`;
    if (given.length !== wanted.length) {
      if (wanted.length === 0 && !isKnown) continue;
      add(
        path,
        `the ${place} has ${given.length} ${
          given.length === 1 ? "parameter" : "parameters"
        }, and needs ${wanted.length}${namesOf(wanted)}`,
      );
      continue;
    }
    wanted.forEach((slot, i) => {
      const one = slot.name === undefined
        ? given[i]
        : given.find((part) => part.parameter_name === slot.name);
      if (one === undefined) add(path, `the ${place} needs a parameter with parameter_name ${slot.name}`);
      else if (!fits(slot, one)) add(`${path}.${i}.type`, `must be ${slot.kind}: ${slot.label}`);
    });
  }
  for (const slot of slots) {
    if (slot.place !== "button") continue;
    const found = at("button", slot.index);
    if (found < 0) {
      add(
        "components",
        `${slot.label} is missing: {type: button, sub_type: ${slot.kind}, index: ${slot.index}}`,
      );
    } else if (listOf(components[found].parameters).length !== 1) {
      add(`components.${found}.parameters`, "a button has exactly one parameter");
    }
  }
  const buttons = buttonsOf(template).length;
  components.forEach((part, i) => {
    if (lower(part.type) === "button" && isKnown && Number(part.index) >= buttons) {
      add(`components.${i}.index`, `the template has ${buttons} ${buttons === 1 ? "button" : "buttons"}`);
    }
  });
  return issues;
}

/** The template with its values filled in; variables without a value stay as they are. */
export function previewOf(
  template: TemplateShape,
  values: Readonly<Record<string, SlotValue | undefined>> = {},
): TemplatePreview {
  const isNamed = template.parameter_format === "named";
  const fill = (value: unknown, keyOf: (name: string) => string) =>
    (text(value) ?? "").replace(VARIABLE, (variable, name: string) => {
      const given = values[keyOf(name)];
      return typeof given === "string" && given !== "" ? given : variable;
    });
  const header = partOf(template, "HEADER");
  const format = lower(header?.format) || "text";
  const footer = text(partOf(template, "FOOTER")?.text);
  return {
    ...(header === undefined ? {} : {
      header: {
        kind: format,
        text: format === "text"
          ? fill(header.text, (name) => isNamed ? name : "header")
          : typeof values.header === "string" && values.header !== ""
          ? values.header
          : format,
      },
    }),
    body: fill(partOf(template, "BODY")?.text, (name) => name),
    ...(footer === undefined ? {} : { footer }),
    buttons: buttonsOf(template).map((button, index) => {
      const target = text(button.url) === undefined
        ? text(button.phone_number)
        : fill(button.url, () => `button.${index}`);
      return {
        kind: lower(button.type),
        text: text(button.text) ?? lower(button.type).replaceAll("_", " "),
        ...(target === undefined ? {} : { target }),
      };
    }),
  };
}

/** Whether Meta sends a template of this status. One that people rate badly is still sent. */
export function isSendable(status: string | null): boolean {
  return status === null || status === "approved" || status === "flagged";
}

/** The variables of a text, each once, in order: `{{1}}`, `{{first_name}}`. */
export function namesIn(value: unknown): string[] {
  return [...new Set([...(text(value) ?? "").matchAll(VARIABLE)].map(([, name]) => name))];
}

const PARTS = new Set(["header", "body", "footer", "buttons"]);

function parameterOf(slot: Slot, value: SlotValue | undefined): Part | string {
  if (value === undefined || value === "") return `is missing: ${slot.label}`;
  const { kind, name } = slot;
  const named = name === undefined ? {} : { parameter_name: name };
  if (kind === "location") {
    return typeof value === "object" && "latitude" in value && "longitude" in value
      ? { type: "location", location: value }
      : "must be {latitude, longitude, name, address}";
  }
  if (isMedia(kind)) {
    if (typeof value === "object") {
      return ("id" in value) !== ("link" in value)
        ? { type: kind, [kind]: value }
        : "needs either `id` or `link`";
    }
    return { type: kind, [kind]: /^https?:\/\//.test(value) ? { link: value } : { id: value } };
  }
  if (typeof value !== "string") return "must be text";
  if (/[\n\r\t]| {5}/.test(value)) return "must have no line break, no tab and at most four spaces in a row";
  return kind === "copy_code"
    ? { type: "coupon_code", coupon_code: value }
    : { type: "text", ...named, text: value };
}

function fits({ kind }: Slot, part: Part): boolean {
  const type = lower(part.type);
  // Meta's own forms of a text, in the language of the person.
  return kind === "text" ? type === "text" || type === "currency" || type === "date_time" : type === kind;
}

function namesOf(slots: readonly Slot[]): string {
  const names = slots.map(({ name }) => name).filter((name) => name !== undefined);
  return names.length === 0 ? "" : `: ${names.join(", ")}`;
}

function partOf({ components }: TemplateShape, type: string): Part | undefined {
  return components.find((part) => String(part.type).toUpperCase() === type);
}

function buttonsOf(template: TemplateShape): readonly Part[] {
  return listOf(partOf(template, "BUTTONS")?.buttons);
}

function listOf(value: unknown): readonly Part[] {
  return Array.isArray(value)
    ? value.filter((item): item is Part => typeof item === "object" && item !== null)
    : [];
}

/** Meta's example of a variable, in either of its forms. */
function exampleOf(part: Part | undefined, member: string, name: string): string | undefined {
  const example = part?.example as Part | undefined;
  const named = listOf(example?.[`${member}_named_params`]).find((one) => one.param_name === name);
  if (named !== undefined) return text(named.example);
  const list = example?.[member];
  const values = Array.isArray(list) ? (Array.isArray(list[0]) ? list[0] : list) as unknown[] : [];
  return text(values[Number(name) - 1]);
}

function say(name: string): string {
  return /^\d+$/.test(name) ? `value ${name}` : name.replaceAll("_", " ");
}

function isMedia(kind: string): boolean {
  return (MEDIA as readonly string[]).includes(kind);
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function lower(value: unknown): string {
  return typeof value === "string" ? value.toLowerCase() : "";
}
