/** tied_start.ts for a test that checks the database's answers: prints each that does not fit the contract. */
import { MISFIT, watchAnswers } from "./answers.ts";

watchAnswers((misfit) => console.error(MISFIT + misfit));
await import("./tied_start.ts");
