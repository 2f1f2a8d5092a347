import { serve } from "../_shared/serve/serve.ts";
import { diagnostics } from "./handler.ts";

export default serve("diagnostics", { GET: diagnostics() });
