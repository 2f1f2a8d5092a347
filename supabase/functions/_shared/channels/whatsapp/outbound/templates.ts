/**
 * Templates in requests to send: filled from named values, and checked against what Meta has, before they are queued.
 *
 * @module
 */
import {
  checkComponents,
  fillTemplate,
  type SlotValue,
  type TemplateIssue,
  type TemplateShape,
} from "../../../contract/templates.ts";
import { isObject, type JsonObject, list, object, text } from "../../../json/json.ts";
import type { Channel, Checked } from "../../channel.ts";

/** A template as the database knows it. */
export interface KnownTemplate extends TemplateShape {
  readonly account: string;
  readonly status: string;
  /** The numbers of its account. */
  readonly numbers: readonly string[];
}

/** The known templates of these names, in all languages and accounts. */
export type LookUp = (names: string[]) => Promise<readonly KnownTemplate[]>;

/**
 * A channel whose requests may name a template's values: `template: {name, language: "en", parameters: {first_name:
 * "Ada"}}` besides Meta's `components`. Everything else of it is the channel's own.
 *
 * Failure policy: open for what is not known. A template that Gatelink has not seen yet is left to Meta, unless its
 * values are named; if the templates cannot be read, the request is refused as every other while the database is away.
 */
export function withTemplates(channel: Channel, lookUp: LookUp): Channel {
  return {
    ...channel,
    checkRequest: async (body) => {
      const filled = await fillRequest(body, lookUp);
      return filled.ok ? await channel.checkRequest(filled.value) : filled;
    },
  };
}

/** The request with the values of its template, and of its fallback, filled in. */
export async function fillRequest(body: unknown, lookUp: LookUp): Promise<Checked<unknown>> {
  if (!isObject(body)) return { ok: true, value: body };
  const fallback = object(body.fallback);
  const names = [body, fallback].flatMap((message) => {
    const name = message?.type === "template" ? text(object(message.template)?.name) : undefined;
    return name === undefined || name.length > 512 ? [] : [name];
  });
  if (names.length === 0) return { ok: true, value: body };
  const known = await lookUp([...new Set(names)]);
  const from = text(body.from);
  const own = fillMessage(body, known, from);
  if (!own.ok) return own;
  if (fallback === undefined) return own;
  const other = fillMessage(fallback, known, from);
  if (!other.ok) {
    return {
      ok: false,
      issues: other.issues.map(({ path, message }) => ({ path: `fallback.${path}`, message })),
    };
  }
  return { ok: true, value: { ...own.value, fallback: other.value } };
}

function fillMessage(
  message: JsonObject,
  known: readonly KnownTemplate[],
  from: string | undefined,
): Checked<JsonObject> {
  const given = object(message.template);
  if (message.type !== "template" || given === undefined) return { ok: true, value: message };
  const { parameters, language: asked, ...rest } = given;
  const named = known.filter((one) =>
    one.name === given.name && (from === undefined || one.numbers.length === 0 || one.numbers.includes(from))
  );
  const languages = [...new Set(named.map((one) => one.language))];
  const code = typeof asked === "string" ? asked : text(object(asked)?.code);
  if (code === undefined && (asked !== undefined || languages.length !== 1)) {
    if (asked !== undefined || languages.length === 0) return { ok: true, value: message };
    return refused("template.language", `is needed: ${String(given.name)} exists in ${languages.join(", ")}`);
  }
  const language = code ?? languages[0];
  const ones = named.filter((one) => one.language === language);
  const filled = {
    ...message,
    template: { ...rest, language: isObject(asked) ? asked : { code: language } },
  };
  if (ones.length === 0) {
    if (languages.length > 0) {
      return refused(
        "template.language.code",
        `${String(given.name)} exists in ${languages.join(", ")}, not in ${language}`,
      );
    }
    if (parameters === undefined || parameters === null) return { ok: true, value: filled };
    return refused(
      "template.name",
      known.some(({ name }) => name === given.name)
        ? `exists in other accounts, and not in that of number ${from}`
        : "is not known yet, so its parameters cannot be filled in: gatelink templates sync",
    );
  }
  // Accounts may have templates of the same name. Which one it is depends on the number, which the queue may choose.
  let issues: TemplateIssue[] = [];
  for (const one of ones) {
    if (parameters !== undefined && parameters !== null) {
      if (given.components !== undefined && given.components !== null) {
        return refused("template.parameters", "give either `parameters` or `components`");
      }
      if (!isObject(parameters) && !Array.isArray(parameters)) {
        return refused(
          "template.parameters",
          "must be an object of names and values, or a list of the body's values",
        );
      }
      const made = fillTemplate(one, parameters as Record<string, SlotValue> | SlotValue[]);
      if (made.ok) {
        const components = made.components.length === 0 ? {} : { components: made.components };
        return { ok: true, value: { ...filled, template: { ...filled.template, ...components } } };
      }
      issues = made.issues;
    } else {
      issues = checkComponents(one, (list(given.components) ?? []).filter(isObject));
      if (issues.length === 0) return { ok: true, value: filled };
    }
  }
  return { ok: false, issues: issues.slice(0, 20) };
}

function refused(path: string, message: string): { ok: false; issues: TemplateIssue[] } {
  return { ok: false, issues: [{ path, message }] };
}
