import { serve } from "../_shared/http/serve.ts";
import { diagnostics } from "./handler.ts";

export default serve("diagnostics", { GET: diagnostics() });
