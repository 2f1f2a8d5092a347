import { requireKey } from "../_shared/gates/keys.ts";
import { createRouter } from "../_shared/http/routes.ts";
import { serve } from "../_shared/serve/serve.ts";
import { metrics, ROUTES } from "./handler.ts";

export default serve(
  "metrics",
  createRouter("metrics", ROUTES, {
    gates: { "secret bearer": (headers) => requireKey(headers, { bearer: true }).name },
    handlers: { metrics: metrics() },
  }),
);
