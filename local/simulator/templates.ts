/** Templates of the simulated accounts: what can be created and edited, and what Meta refuses when one is sent. */
import type { GraphError } from "./faults.ts";
import type { Json } from "./model.ts";

/** Status of a template, in Meta's spelling. */
export type TemplateStatus = "APPROVED" | "PENDING" | "REJECTED" | "PAUSED" | "DISABLED";

/** A template in one language. */
export interface SimulatedTemplate {
  id: string;
  name: string;
  language: string;
  category: string;
  status: TemplateStatus;
  quality: "GREEN" | "YELLOW" | "RED" | "UNKNOWN";
  parameter_format: "POSITIONAL" | "NAMED";
  components: Json[];
  rejected_reason?: string;
}

const CATEGORIES = ["AUTHENTICATION", "MARKETING", "UTILITY"];
const NAME = /^[a-z0-9_]{1,512}$/;
const LANGUAGE = /^[a-z]{2,3}(?:_[A-Z]{2})?$/;

/** The templates that an account begins with. */
export function firstTemplates(wabaId: string): SimulatedTemplate[] {
  const id = (n: number) => `${wabaId.slice(-1)}80000000000${String(n).padStart(3, "0")}`;
  return [
    {
      id: id(1),
      name: "parcel_on_its_way",
      language: "en",
      category: "UTILITY",
      status: "APPROVED",
      quality: "GREEN",
      parameter_format: "NAMED",
      components: [
        {
          type: "BODY",
          text: "Hello {{first_name}}, your order {{order_id}} is on its way.",
          example: {
            body_text_named_params: [
              { param_name: "first_name", example: "Amina" },
              { param_name: "order_id", example: "GL-1042" },
            ],
          },
        },
        { type: "FOOTER", text: "Thank you for your order" },
        { type: "BUTTONS", buttons: [{ type: "QUICK_REPLY", text: "Where is it?" }] },
      ],
    },
    {
      id: id(2),
      name: "parcel_on_its_way",
      language: "de",
      category: "UTILITY",
      status: "APPROVED",
      quality: "GREEN",
      parameter_format: "NAMED",
      components: [{
        type: "BODY",
        text: "Hallo {{first_name}}, deine Bestellung {{order_id}} ist unterwegs.",
        example: {
          body_text_named_params: [
            { param_name: "first_name", example: "Amina" },
            { param_name: "order_id", example: "GL-1042" },
          ],
        },
      }],
    },
    {
      id: id(3),
      name: "weekly_sale",
      language: "en",
      category: "MARKETING",
      status: "APPROVED",
      quality: "UNKNOWN",
      parameter_format: "POSITIONAL",
      components: [
        { type: "HEADER", format: "IMAGE", example: { header_handle: ["https://example.com/spring.jpg"] } },
        {
          type: "BODY",
          text: "{{1}}, everything is {{2}} off this week.",
          example: { body_text: [["Amina", "20 %"]] },
        },
        {
          type: "BUTTONS",
          buttons: [
            {
              type: "URL",
              text: "See the offers",
              url: "https://example.com/offers/{{1}}",
              example: ["spring"],
            },
            { type: "QUICK_REPLY", text: "Stop" },
          ],
        },
      ],
    },
    {
      id: id(4),
      name: "one_time_code",
      language: "en",
      category: "AUTHENTICATION",
      status: "APPROVED",
      quality: "UNKNOWN",
      parameter_format: "POSITIONAL",
      components: [
        { type: "BODY", text: "*{{1}}* is your verification code.", add_security_recommendation: true },
        {
          type: "BUTTONS",
          buttons: [{
            type: "URL",
            text: "Copy code",
            url: "https://www.whatsapp.com/otp/code/?otp_type=COPY_CODE&code=otp{{1}}",
          }],
        },
      ],
    },
  ];
}

/** The template of a request to create one, or why there cannot be one. */
export function newTemplate(
  body: Json,
  id: string,
  existing: readonly SimulatedTemplate[],
): SimulatedTemplate | GraphError {
  const { name, language, category, components } = body;
  if (typeof name !== "string" || !NAME.test(name)) return invalid("name: lower-case letters, digits and _");
  if (typeof language !== "string" || !LANGUAGE.test(language)) {
    return invalid("language: a code like en or en_US");
  }
  if (typeof category !== "string" || !CATEGORIES.includes(category.toUpperCase())) {
    return invalid("category: MARKETING, UTILITY or AUTHENTICATION");
  }
  const wrong = faultOfComponents(components);
  if (wrong) return invalid(wrong);
  if (existing.some((one) => one.name === name && one.language === language)) {
    return invalid(
      "There is already English content for this template. You can create a new template and try again.",
    );
  }
  const format = String(body.parameter_format ?? "POSITIONAL").toUpperCase();
  return {
    id,
    name,
    language,
    category: category.toUpperCase(),
    status: "PENDING",
    quality: "UNKNOWN",
    parameter_format: format === "NAMED" ? "NAMED" : "POSITIONAL",
    components: components as Json[],
  };
}

/** What is wrong with the components of a new template; undefined if nothing is. */
export function faultOfComponents(components: unknown): string | undefined {
  if (!Array.isArray(components) || components.length === 0) return "components: a list";
  const parts = components as Json[];
  const body = parts.find((part) => upper(part.type) === "BODY");
  if (body === undefined) return "components: a BODY is needed";
  if (typeof body.text === "string" && body.text.length > 1024) {
    return "components: the BODY has at most 1,024 characters";
  }
  for (const part of parts) {
    const names = typeof part.text === "string" ? namesIn(part.text) : [];
    if (names.length > 0 && part.example === undefined && part.add_security_recommendation === undefined) {
      return `components: the ${upper(part.type)} has variables and needs an example`;
    }
  }
  return undefined;
}

/** The error with which Meta refuses a message with this template; undefined if it is sent. */
export function templateFault(templates: readonly SimulatedTemplate[], body: Json): GraphError | undefined {
  const sent = (body.template ?? {}) as Json;
  const named = templates.filter(({ name }) => name === sent.name);
  // Names that nobody created are sent all the same, so that examples need no set-up.
  if (named.length === 0) return undefined;
  const code = (sent.language as Json | undefined)?.code;
  const template = named.find(({ language }) => language === code);
  if (template === undefined || template.status === "PENDING" || template.status === "REJECTED") {
    return refused(
      132001,
      "Template name does not exist in the translation",
      `template name (${sent.name}) does not exist in ${code}`,
    );
  }
  if (template.status === "PAUSED") {
    return refused(
      132015,
      "Template is paused",
      "Template is paused due to low quality so it cannot be sent.",
    );
  }
  if (template.status === "DISABLED") {
    return refused(
      132016,
      "Template is disabled",
      "Template has been paused too many times due to low quality and is now permanently disabled.",
    );
  }
  return faultOfParameters(template, (sent.components ?? []) as Json[]);
}

function faultOfParameters(template: SimulatedTemplate, sent: Json[]): GraphError | undefined {
  for (const part of template.components) {
    const type = upper(part.type);
    if (type === "BODY" || type === "HEADER" && upper(part.format) === "TEXT") {
      const expected = namesIn(String(part.text ?? ""));
      const given = (sent.find((one) => upper(one.type) === type)?.parameters ?? []) as Json[];
      if (given.length !== expected.length) {
        return refused(
          132000,
          "Number of parameters does not match the expected number of params",
          `${type.toLowerCase()}: number of localizable_params (${given.length}) does not match the expected number of params (${expected.length})`,
        );
      }
      if (template.parameter_format === "NAMED") {
        const missing = expected.find((name) => !given.some((one) => one.parameter_name === name));
        if (missing !== undefined) {
          return refused(100, "Invalid parameter", `Parameter name is missing or empty: ${missing}`);
        }
      }
    } else if (type === "HEADER" && ["IMAGE", "VIDEO", "DOCUMENT", "LOCATION"].includes(upper(part.format))) {
      const format = String(part.format).toLowerCase();
      const [given] = (sent.find((one) => upper(one.type) === "HEADER")?.parameters ?? []) as Json[];
      if (given?.type !== format) {
        return refused(
          132012,
          "Parameter format does not match format in the created template",
          `header: Format mismatch, expected ${format.toUpperCase()}, received ${given?.type ?? "UNKNOWN"}`,
        );
      }
    } else if (type === "BUTTONS") {
      for (const [index, button] of ((part.buttons ?? []) as Json[]).entries()) {
        if (namesIn(String(button.url ?? "")).length === 0) continue;
        const given = sent.find((one) => upper(one.type) === "BUTTON" && String(one.index) === String(index));
        if (((given?.parameters ?? []) as Json[]).length !== 1) {
          return refused(
            131008,
            "Required parameter is missing",
            `buttons: Button at index ${index} of type Url requires a parameter`,
          );
        }
      }
    }
  }
  return undefined;
}

/** The variables of a text, each once: `{{1}}`, `{{first_name}}`. */
export function namesIn(text: string): string[] {
  return [...new Set([...text.matchAll(/\{\{\s*([a-z0-9_]+)\s*\}\}/g)].map(([, name]) => name))];
}

function upper(value: unknown): string {
  return String(value ?? "").toUpperCase();
}

function refused(code: number, title: string, details: string): GraphError {
  return { status: 400, code, title, details };
}

function invalid(details: string): GraphError {
  return { status: 400, code: 100, title: "Invalid parameter", details };
}
