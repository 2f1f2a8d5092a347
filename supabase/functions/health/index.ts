import { serve } from "../_shared/http/serve.ts";
import { health } from "./handler.ts";

export default serve("health", { GET: health() });
