import { type Handler, serve } from "../_shared/serve/serve.ts";
import { createEmailTrack } from "./compose.ts";

// Made at the first request: an environment that cannot be used is then answered, and named in the log.
let handler: Handler | undefined;

export default serve(
  "email-track",
  (request, context) => (handler ??= createEmailTrack().handler)(request, context),
  // Pixels and links of mails that people have work whatever the schema is.
  { judgesSchema: true },
);
