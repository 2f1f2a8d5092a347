/**
 * A stand-in for the part of Supabase's Management API that `supabase functions deploy --use-api`, `functions
 * list` and `secrets set | unset | list` use. It stores the CLI's uploads, so that the check examines the
 * exact bytes that Supabase would bundle; and it can forward changes to a project that runs elsewhere.
 *
 * Shapes: https://supabase.com/docs/reference/api (deploy a function, bulk update functions, secrets), CLI
 * 3.1.0.
 */
import { createHash } from "node:crypto";

/** Path inside the project, as the CLI names it -> content. */
export type Files = Map<string, Uint8Array>;

/** One uploaded function. */
export interface Upload {
  slug: string;
  metadata: {
    /** Path of index.ts among `files`. */
    entrypoint_path: string;
    /** Path of the import map among `files`; absent if the function has none. */
    import_map_path?: string;
    verify_jwt?: boolean;
    static_patterns?: string[];
    name?: string;
  };
  files: Files;
}

/** Effects on the project behind the stand-in. The CLI gets its response after they are complete. */
export interface Effects {
  /** Functions go live: the newest upload of each. */
  deployed?(functions: Upload[]): Promise<void>;
  /** Secrets are set, or unset (null). */
  secrets?(changes: Record<string, string | null>): Promise<void>;
  /** The project's backups. @default none are made */
  backups?(): {
    pitr_enabled?: boolean;
    backups?: { id: number; is_physical_backup: boolean; status: string; inserted_at: string }[];
  };
}

/** A running stand-in; `close` ends it. */
export interface ManagementApi {
  /** `http://127.0.0.1:<port>` */
  url: string;
  /** Uploads so far, by slug; a second upload of a slug replaces the first. */
  uploads: Map<string, Upload>;
  close(): Promise<void>;
}

/** The state of a stand-in's project. */
interface Project {
  uploads: Map<string, Upload>;
  /** The live functions. */
  live: Map<string, { version: number; updatedAt: number }>;
  secrets: Map<string, { value: string; updatedAt: Date }>;
  effects: Effects;
}

/**
 * Starts the stand-in on a free port of the loopback interface.
 * @param token The access token that callers must send; others get a 401, as at Supabase.
 * @param effects What a change causes. @default nothing
 * @param secrets Set from the beginning. @default none
 * @param secretsAt When those were set. @default now
 */
export function startManagementApi(
  token: string,
  effects: Effects = {},
  secrets: Record<string, string> = {},
  secretsAt = new Date(),
): ManagementApi {
  const uploads = new Map<string, Upload>();
  const set = Object.entries(secrets).map(([name, value]) =>
    [name, { value, updatedAt: secretsAt }] as const
  );
  const project: Project = { uploads, live: new Map(), secrets: new Map(set), effects };
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) =>
      answer(request, token, project).catch((error) =>
        refuse(500, error instanceof Error ? error.message : "")
      ),
  );
  return { url: `http://127.0.0.1:${server.addr.port}`, uploads, close: () => server.shutdown() };
}

const PATH = /^\/v1\/projects\/[a-z]{20}\/(functions|functions\/deploy|secrets|database\/backups)$/;

async function answer(request: Request, token: string, project: Project): Promise<Response> {
  const url = new URL(request.url);
  if (request.headers.get("authorization") !== `Bearer ${token}`) return refuse(401, "Unauthorized");
  const path = PATH.exec(url.pathname)?.[1];
  switch (path && `${request.method} ${path}`) {
    case "POST functions/deploy": {
      const upload = await read(request, url.searchParams.get("slug"));
      if (typeof upload === "string") return refuse(400, upload);
      project.uploads.set(upload.slug, upload);
      // With several functions the CLI only bundles each, and one PUT then makes all of them live.
      if (url.searchParams.get("bundleOnly") !== "true") await goLive(project, [upload.slug]);
      return Response.json(describe(project, upload.slug), { status: 201 });
    }
    case "PUT functions": {
      const slugs = (await request.json() as { slug: string }[]).map(({ slug }) => slug);
      const unknown = slugs.find((slug) => !project.uploads.has(slug));
      if (unknown !== undefined) return refuse(404, `${unknown} was not uploaded`);
      await goLive(project, slugs);
      return Response.json({ functions: slugs.map((slug) => describe(project, slug)) });
    }
    case "GET functions":
      return Response.json([...project.live.keys()].map((slug) => describe(project, slug)));
    case "GET secrets":
      return Response.json(
        [...project.secrets].map(([name, { value, updatedAt }]) => ({
          name,
          value: createHash("sha256").update(value).digest("hex"),
          updated_at: updatedAt.toISOString(),
        })),
      );
    case "GET database/backups":
      return Response.json({
        region: "eu-central-1",
        walg_enabled: true,
        pitr_enabled: false,
        backups: [],
        physical_backup_data: {},
        ...project.effects.backups?.(),
      });
    case "POST secrets": {
      const set = await request.json() as { name: string; value: string }[];
      for (const { name, value } of set) project.secrets.set(name, { value, updatedAt: new Date() });
      await project.effects.secrets?.(Object.fromEntries(set.map(({ name, value }) => [name, value])));
      return new Response(null, { status: 201 });
    }
    case "DELETE secrets": {
      const names = await request.json() as string[];
      for (const name of names) project.secrets.delete(name);
      await project.effects.secrets?.(Object.fromEntries(names.map((name) => [name, null])));
      return new Response(null, { status: 200 });
    }
    // The CLI also looks for the project and for a preview branch of this name, and goes on without.
    case undefined:
      return refuse(404, "Not found");
    default:
      return refuse(405, "Method not allowed");
  }
}

async function goLive({ uploads, live, effects }: Project, slugs: string[]): Promise<void> {
  for (const slug of slugs) {
    live.set(slug, { version: (live.get(slug)?.version ?? 0) + 1, updatedAt: Date.now() });
  }
  await effects.deployed?.(slugs.map((slug) => uploads.get(slug)!));
}

async function read(request: Request, slug: string | null): Promise<Upload | string> {
  if (!slug) return "slug is missing";
  const form = await request.formData();
  const metadata = form.get("metadata");
  if (typeof metadata !== "string") return "metadata is missing";
  const files: Files = new Map();
  for (const part of form.getAll("file")) {
    if (typeof part === "string") return "a file part without a file name";
    files.set(part.name, new Uint8Array(await part.arrayBuffer()));
  }
  return { slug, metadata: JSON.parse(metadata), files };
}

function describe({ uploads, live }: Project, slug: string) {
  const { metadata } = uploads.get(slug)!;
  const { version, updatedAt } = live.get(slug) ?? { version: 1, updatedAt: 0 };
  return {
    id: "00000000-0000-4000-8000-000000000000",
    slug,
    name: slug,
    status: "ACTIVE",
    version,
    created_at: updatedAt,
    updated_at: updatedAt,
    verify_jwt: metadata.verify_jwt ?? true,
    import_map: metadata.import_map_path !== undefined,
    entrypoint_path: metadata.entrypoint_path,
  };
}

function refuse(status: number, message: string): Response {
  return Response.json({ message }, { status });
}
