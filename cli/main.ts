/** `gatelink …` on Deno, as its task runs it. */
import { denoIo } from "./core/io_deno.ts";
import { main } from "./gatelink.ts";

// At once: a connection that is kept open would be waited for.
Deno.exit(await main(Deno.args, denoIo()));
