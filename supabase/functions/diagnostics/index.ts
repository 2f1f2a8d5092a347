import { requireKey } from "../_shared/gates/keys.ts";
import { createRouter } from "../_shared/http/routes.ts";
import { serve } from "../_shared/serve/serve.ts";
import { diagnostics, ROUTES } from "./handler.ts";

export default serve(
  "diagnostics",
  createRouter("diagnostics", ROUTES, {
    gates: { secret: (headers) => requireKey(headers).name },
    handlers: { diagnostics: diagnostics() },
  }),
);
