import { type Handler, serve } from "../_shared/serve/serve.ts";
import { createDeeplinks } from "./compose.ts";

// Made at the first request: an environment that cannot be used is then answered, and named in the log.
let handler: Handler | undefined;

export default serve(
  "deeplinks",
  (request, context) => (handler ??= createDeeplinks().handler)(request, context),
  { judgesSchema: true },
);
