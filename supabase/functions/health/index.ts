import { waitUntil } from "../_shared/http/background.ts";
import { Problem } from "../_shared/http/problem.ts";
import { watch } from "../_shared/rollouts/compose.ts";
import { serve } from "../_shared/serve/serve.ts";
import { detailed, health } from "./handler.ts";

const brief = health();
const full = detailed();

export default serve("health", {
  GET: (request, context) => {
    const path = new URL(request.url).pathname.replace(/^(\/functions\/v1)?\/health/, "").replace(/\/$/, "");
    // Who asks may be the only one who still does.
    if (path === "" || path === "/detailed") waitUntil(watch());
    if (path === "") return brief(request, context);
    if (path === "/detailed") return full(request, context);
    throw new Problem("not_found");
  },
}, { judgesSchema: true });
