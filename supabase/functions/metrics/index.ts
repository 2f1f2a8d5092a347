import { serve } from "../_shared/serve/serve.ts";
import { metrics } from "./handler.ts";

export default serve("metrics", { GET: metrics() });
