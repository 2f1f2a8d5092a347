/**
 * Templates: fetched from Meta by the clock or on demand, created, edited and deleted there.
 *
 * @module
 */
import type { z } from "zod";
import type { SendFailure } from "../_shared/channels/channel.ts";
import { environment, isFailure } from "../_shared/channels/whatsapp/credentials.ts";
import type { Fetch, GraphAccess } from "../_shared/channels/whatsapp/graph_call.ts";
import {
  createTemplate,
  deleteTemplate,
  editTemplate,
  listTemplates,
  type StoredTemplate,
} from "../_shared/channels/whatsapp/management/templates.ts";
import {
  type TemplateChanged,
  type TemplateCreated,
  type TemplatesSynced,
  templatesToSync,
  templateToCreate,
  templateToEdit,
} from "../_shared/contract/http/templates.ts";
import type { Rpc } from "../_shared/db/client.ts";
import { readJson } from "../_shared/http/body.ts";
import { Problem } from "../_shared/http/problem.ts";
import type { Logger } from "../_shared/log/log.ts";

/** Dependencies of {@linkcode createTemplates}. */
export interface TemplatesDeps {
  rpc: Rpc;
  fetch: Fetch;
  access?: typeof environment.access;
}

/** The endpoints of templates. `by` is the caller. */
export interface Templates {
  sync(request: Request, log: Logger): Promise<Response>;
  create(request: Request, by: string, log: Logger): Promise<Response>;
  edit(id: string, request: Request, by: string, log: Logger): Promise<Response>;
  remove(id: string, by: string, log: Logger): Promise<Response>;
}

const MAX_BODY_BYTES = 128 * 1024;

/**
 * Creates {@linkcode Templates}.
 *
 * - `sync` fetches the templates of the accounts that are due; with `{"all": true}` of all.
 * - `create`, `edit` and `remove` do so at Meta and then in the database.
 *
 * Refusals: invalid_json, invalid_request, payload_too_large, not_found, provider_refused (Meta's words are the detail),
 * provider_unavailable, database_unavailable.
 */
export function createTemplates({ rpc, fetch, access = environment.access }: TemplatesDeps): Templates {
  function accessOf(credentials: string | null): GraphAccess {
    const graph = access(credentials ?? undefined);
    if (isFailure(graph)) throw new Problem("provider_unavailable", { detail: graph.message });
    return graph;
  }

  /** The account with this id, or the only one. */
  async function accountOf(wanted?: string): Promise<{ id: string; graph: GraphAccess }> {
    const { accounts, numbers } = await rpc("numbers_to_check", {});
    const own = accounts.filter(({ id }) =>
      wanted === undefined ? numbers.some((one) => one.account === id) : id === wanted
    );
    if (own.length !== 1) {
      throw new Problem("invalid_request", {
        detail: own.length === 0
          ? "There is no such account; the first webhook of a number names its account."
          : `There are several accounts: name one of ${own.map(({ id }) => id).join(", ")} as \`account\`.`,
      });
    }
    const [{ id, name }] = own;
    return { id, graph: accessOf(name === null ? null : `WHATSAPP_ACCESS_TOKEN_${name.toUpperCase()}`) };
  }

  async function templateOf(id: string) {
    const found = (await rpc("template_by_id", { p_id: id }))[0];
    if (found === undefined) throw new Problem("not_found", { detail: `There is no template ${id}.` });
    return found;
  }

  return {
    async sync(request, log) {
      const text = await request.text();
      let all = false;
      try {
        all = templatesToSync.parse(text === "" ? {} : JSON.parse(text)).all ?? false;
      } catch {
        throw new Problem("invalid_request", { detail: 'The body is empty or {"all": true}.' });
      }
      const claimed = await rpc("claim_template_syncs", { p_all: all });
      const accounts: TemplatesSynced["accounts"] = await Promise.all(
        claimed.map(async ({ account, credentials }) => {
          const graph = access(credentials ?? undefined);
          const listed = isFailure(graph) ? graph : await listTemplates(fetch, graph, account);
          if (!listed.ok) {
            const error = wordsOf(listed);
            await rpc("fail_template_sync", { p_account: account, p_error: error });
            log.warn("templates could not be fetched", { account, code: listed.code });
            return { account, error };
          }
          const stored = await rpc("store_templates", {
            p_account: account,
            p_templates: listed.templates,
            p_whole: true,
          });
          return { account, ...stored };
        }),
      );
      return Response.json({ accounts } satisfies TemplatesSynced);
    },

    async create(request, by, log) {
      const draft = check(templateToCreate, await readJson(request, MAX_BODY_BYTES));
      const { account: wanted, ...template } = draft;
      const { id: account, graph } = await accountOf(wanted);
      const made = await createTemplate(fetch, graph, account, template);
      if (!made.ok) throw refusal(made);
      const { id, status, category } = made;
      const row: StoredTemplate = {
        id,
        name: template.name,
        language: template.language,
        category: category ?? template.category,
        status,
        quality: "unknown",
        parameter_format: template.parameter_format ?? "positional",
        components: template.components,
        reason: null,
      };
      await rpc("store_templates", { p_account: account, p_templates: [row], p_whole: false });
      log.info("a template was created", { template: template.name, language: template.language, actor: by });
      return Response.json({ id, account, status, category: row.category } satisfies TemplateCreated, {
        status: 201,
      });
    },

    async edit(id, request, by, log) {
      const draft = check(templateToEdit, await readJson(request, MAX_BODY_BYTES));
      if (draft.category === undefined && draft.components === undefined) {
        throw new Problem("invalid_request", { detail: "Give `components`, `category` or both." });
      }
      const known = await templateOf(id);
      const edited = await editTemplate(fetch, accessOf(known.credentials), id, draft);
      if (!edited.ok) throw refusal(edited);
      const row = {
        ...known.template,
        ...(draft.components === undefined ? {} : { components: draft.components }),
        ...(draft.category === undefined ? {} : { category: draft.category }),
        status: "pending",
      };
      await rpc("store_templates", { p_account: known.account, p_templates: [row], p_whole: false });
      log.info("a template was edited", { template: known.template.name, actor: by });
      return Response.json({ id, status: "pending" } satisfies TemplateChanged);
    },

    async remove(id, by, log) {
      const { account, credentials, template } = await templateOf(id);
      const deleted = await deleteTemplate(fetch, accessOf(credentials), account, {
        id,
        name: template.name,
      });
      if (!deleted.ok) throw refusal(deleted);
      await rpc("remove_template", {
        p_account: account,
        p_name: template.name,
        p_language: template.language,
      });
      log.info("a template was deleted", { template: template.name, actor: by });
      return Response.json({ id, status: "deleted" } satisfies TemplateChanged);
    },
  };
}

function check<T>(schema: z.ZodType<T>, body: unknown): T {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const issues = result.error.issues.slice(0, 20).map(({ path, message }) => ({
    path: path.join("."),
    message,
  }));
  throw new Problem("invalid_request", { extensions: { issues } });
}

function wordsOf({ message, details }: SendFailure): string {
  return details === undefined || details === message ? message : `${message}: ${details}`;
}

/** Meta's refusal of the request is the caller's to correct; anything else is not. */
function refusal(failure: SendFailure): Problem {
  return new Problem(failure.kind === "final" ? "provider_refused" : "provider_unavailable", {
    detail: wordsOf(failure),
  });
}
