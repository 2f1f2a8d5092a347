import { serve } from "../_shared/http/serve.ts";
import { metrics } from "./handler.ts";

export default serve("metrics", { GET: metrics() });
