import { type Handler, serve } from "../_shared/serve/serve.ts";
import { createHandler } from "./handler.ts";
import { createRoutes } from "./routes.ts";

// Made at the first request: an environment that cannot be used is then answered, and named in the log.
let handler: Handler | undefined;

export default serve(
  "deeplinks",
  (request, context) => (handler ??= createHandler(createRoutes()))(request, context),
  { judgesSchema: true },
);
