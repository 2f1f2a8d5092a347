/**
 * Templates at Meta: listing, creating, editing, deleting.
 *
 * Source: Meta, "Template Management API" (developers.facebook.com/documentation/business-messaging/whatsapp/reference/
 * whatsapp-business-account/template-api) and "Templates: quality rating, pausing, disabling".
 *
 * @module
 */
import { id, isObject, type JsonObject, list, object, text } from "../../../json/json.ts";
import type { SendFailure } from "../../channel.ts";
import { callGraph, type Fetch, type GraphAccess } from "../graph_call.ts";

/** A template as `store_templates` takes it. */
export interface StoredTemplate {
  readonly id: string;
  readonly name: string;
  readonly language: string;
  readonly category: string | null;
  readonly status: string;
  readonly quality: string | null;
  readonly parameter_format: "positional" | "named";
  readonly components: readonly JsonObject[];
  readonly reason: string | null;
}

/** A template to create, or what changes of one. */
export interface TemplateDraft {
  readonly name?: string;
  readonly language?: string;
  readonly category?: string;
  readonly parameter_format?: "positional" | "named";
  readonly components?: readonly JsonObject[];
}

const FIELDS = "id,name,language,category,status,quality_score,components,parameter_format,rejected_reason";
const PAGE = 100;
/** An account has at most 6,000 templates. */
const MAX_PAGES = 100;
/** A page of templates with long components. */
const MAX_PAGE_BYTES = 8 << 20;

/**
 * All templates of an account. Never throws.
 *
 * Failure policy: all or none. Without one of the pages the result is a failure, because templates that are not in the
 * result are removed.
 */
export async function listTemplates(
  fetch: Fetch,
  access: GraphAccess,
  account: string,
): Promise<{ ok: true; templates: StoredTemplate[] } | SendFailure> {
  const templates: StoredTemplate[] = [];
  let after: string | undefined;
  for (let page = 0; page < MAX_PAGES; page++) {
    const answer = await callGraph(fetch, access, {
      path: `${encodeURIComponent(account)}/message_templates`,
      query: { fields: FIELDS, limit: String(PAGE), ...(after === undefined ? {} : { after }) },
      maxBytes: MAX_PAGE_BYTES,
    });
    if (!answer.ok) return answer;
    const data = list(answer.body?.data);
    if (data === undefined) {
      return {
        ok: false,
        kind: "retry",
        code: "unreadable",
        message: "a page of templates could not be read",
      };
    }
    for (const item of data) {
      const template = isObject(item) ? storedOf(item) : undefined;
      if (template !== undefined) templates.push(template);
    }
    const paging = object(answer.body?.paging);
    after = text(object(paging?.cursors)?.after);
    if (paging?.next === undefined || after === undefined) break;
  }
  return { ok: true, templates };
}

/** Creates a template; Meta reviews it. Never throws. */
export async function createTemplate(
  fetch: Fetch,
  access: GraphAccess,
  account: string,
  draft: TemplateDraft,
): Promise<{ ok: true; id: string; status: string; category: string | null } | SendFailure> {
  const answer = await callGraph(fetch, access, {
    method: "POST",
    path: `${encodeURIComponent(account)}/message_templates`,
    body: asMetaWritesIt(draft),
  });
  if (!answer.ok) return answer;
  return {
    ok: true,
    id: id(answer.body?.id) ?? "",
    status: id(answer.body?.status)?.toLowerCase() ?? "pending",
    category: id(answer.body?.category)?.toLowerCase() ?? null,
  };
}

/** Changes the components or the category of a template; Meta reviews it again. Never throws. */
export async function editTemplate(
  fetch: Fetch,
  access: GraphAccess,
  template: string,
  draft: TemplateDraft,
): Promise<{ ok: true } | SendFailure> {
  const answer = await callGraph(fetch, access, {
    method: "POST",
    path: encodeURIComponent(template),
    body: asMetaWritesIt(draft),
  });
  return answer.ok ? { ok: true } : answer;
}

/** Deletes one language of a template. Its name cannot be used again for 30 days. Never throws. */
export async function deleteTemplate(
  fetch: Fetch,
  access: GraphAccess,
  account: string,
  template: { id: string; name: string },
): Promise<{ ok: true } | SendFailure> {
  const answer = await callGraph(fetch, access, {
    method: "DELETE",
    path: `${encodeURIComponent(account)}/message_templates`,
    query: { name: template.name, hsm_id: template.id },
  });
  return answer.ok ? { ok: true } : answer;
}

function asMetaWritesIt({ category, parameter_format, ...rest }: TemplateDraft): JsonObject {
  return {
    ...rest,
    ...(category === undefined ? {} : { category: category.toUpperCase() }),
    ...(parameter_format === undefined ? {} : { parameter_format: parameter_format.toUpperCase() }),
  };
}

function storedOf(item: JsonObject): StoredTemplate | undefined {
  const [templateId, name, language] = [id(item.id), id(item.name), id(item.language)];
  if (templateId === undefined || name === undefined || language === undefined) return undefined;
  const reason = text(item.rejected_reason);
  return {
    id: templateId,
    name,
    language,
    category: id(item.category)?.toLowerCase() ?? null,
    status: id(item.status)?.toLowerCase() ?? "pending",
    quality: id(object(item.quality_score)?.score)?.toLowerCase() ?? null,
    parameter_format: id(item.parameter_format)?.toLowerCase() === "named" ? "named" : "positional",
    components: (list(item.components) ?? []).filter(isObject),
    reason: reason === undefined || reason === "NONE" ? null : reason,
  };
}
