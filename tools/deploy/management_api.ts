/**
 * A stand-in for the part of Supabase's Management API that `supabase functions deploy --use-api` talks to. It
 * takes what the CLI uploads and keeps it, so that the check looks at the very bytes that Supabase would bundle.
 *
 * Shapes: https://supabase.com/docs/reference/api (deploy a function, bulk update functions), CLI 3.1.0.
 */

/** Path inside the project, as the CLI names it -> content. */
export type Files = Map<string, Uint8Array>;

/** One function as it was uploaded. */
export interface Upload {
  slug: string;
  metadata: {
    /** Path of index.ts among `files`. */
    entrypoint_path: string;
    /** Path of the import map among `files`; absent when the function has none. */
    import_map_path?: string;
    verify_jwt?: boolean;
    static_patterns?: string[];
    name?: string;
  };
  files: Files;
}

/** A stand-in that runs; `close` ends it. */
export interface ManagementApi {
  /** `http://127.0.0.1:<port>` */
  url: string;
  /** What has been uploaded so far, by slug; a second upload of a slug replaces the first. */
  uploads: Map<string, Upload>;
  close(): Promise<void>;
}

/**
 * Starts the stand-in on a free port of the loopback interface.
 * @param token The access token that callers have to bring; others get a 401, as at Supabase.
 */
export function startManagementApi(token: string): ManagementApi {
  const uploads = new Map<string, Upload>();
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) => answer(request, token, uploads),
  );
  return { url: `http://127.0.0.1:${server.addr.port}`, uploads, close: () => server.shutdown() };
}

const PATH = /^\/v1\/projects\/[a-z]{20}\/functions(\/deploy)?$/;

async function answer(request: Request, token: string, uploads: Map<string, Upload>): Promise<Response> {
  const url = new URL(request.url);
  if (request.headers.get("authorization") !== `Bearer ${token}`) return refuse(401, "Unauthorized");
  const path = PATH.exec(url.pathname);
  // The CLI also looks for a preview branch of this name and goes on without one.
  if (!path) return refuse(404, "Not found");

  if (request.method === "POST" && path[1]) {
    const upload = await read(request, url.searchParams.get("slug"));
    if (typeof upload === "string") return refuse(400, upload);
    uploads.set(upload.slug, upload);
    return Response.json(describe(upload), { status: 201 });
  }
  const functions = [...uploads.values()].map(describe);
  if (request.method === "GET" && !path[1]) return Response.json(functions);
  // With several functions the CLI only bundles each, and this one call then makes all of them live.
  if (request.method === "PUT" && !path[1]) return Response.json({ functions });
  return refuse(405, "Method not allowed");
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

function describe({ slug, metadata }: Upload) {
  return {
    id: "00000000-0000-4000-8000-000000000000",
    slug,
    name: slug,
    status: "ACTIVE",
    version: 1,
    created_at: 0,
    updated_at: 0,
    verify_jwt: metadata.verify_jwt ?? true,
    import_map: metadata.import_map_path !== undefined,
    entrypoint_path: metadata.entrypoint_path,
  };
}

function refuse(status: number, message: string): Response {
  return Response.json({ message }, { status });
}
