/** `gatelink destinations test`: asks the function wa-router to send one signed event, and tells what came back. */
import type { Tested } from "../../../supabase/functions/_shared/contract/http/destinations.ts";
import { callFunction } from "../../core/functions_api.ts";
import { clean, facts, verdict } from "../../core/output.ts";
import type { Result, Session } from "../../core/session.ts";

/** Sends the event; failed if the response was not 2xx. */
export async function testDestination(session: Session, name: string): Promise<Result> {
  const { stack } = await session.api();
  const { body } = await callFunction<Tested>(stack, "POST", `wa-router/destinations/${name}/test`, {
    hintOf: (code) => code === "destination_not_found" ? "gatelink destinations list shows them." : undefined,
  });
  const { ok, url, status, latency_ms, error, detail, advice } = body;
  const answer = body.answer === undefined ? undefined : clean(body.answer);
  return {
    document: { ...body, ...(answer === undefined ? {} : { answer }) },
    text: facts({
      [name]: verdict(ok),
      url,
      status: status ?? "no answer",
      latency: `${latency_ms} ms`,
      ...(error === undefined ? {} : { error: detail === undefined ? error : `${error}: ${detail}` }),
      answer,
      ...(body.replies === undefined ? {} : { replies: body.replies }),
      ...(advice === undefined ? {} : { next: advice.replace("NAME", name) }),
    }),
    failed: !ok,
  };
}
