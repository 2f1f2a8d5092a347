/**
 * `POST /numbers/check`: asks Meta about the accounts and numbers, and says what is wrong and what to do.
 *
 * @module
 */
import { environment, isFailure } from "../_shared/channels/whatsapp/credentials.ts";
import type { Fetch } from "../_shared/channels/whatsapp/graph_call.ts";
import { checkAccount, type FoundNumber } from "../_shared/channels/whatsapp/management/check.ts";
import type { NumberCheck, NumberCheckFinding } from "../_shared/contract/http/numbers.ts";
import type { Rpc } from "../_shared/db/client.ts";

/** Dependencies of the check. */
export interface NumbersDeps {
  rpc: Rpc;
  fetch: Fetch;
  now(): number;
  access?: typeof environment.access;
}

/**
 * Checks every account, and stores what Meta says of the numbers.
 *
 * Failure policy: each account by itself; what cannot be asked is a finding.
 */
export function createNumberCheck(
  { rpc, fetch, now, access = environment.access }: NumbersDeps,
): () => Promise<Response> {
  return async () => {
    const { accounts, numbers } = await rpc("numbers_to_check", {});
    const findings: NumberCheckFinding[] = [];
    const found: FoundNumber[] = [];
    await Promise.all(accounts.map(async (account) => {
      const label = account.name ?? account.id;
      const own = numbers.filter((number) => number.account === account.id);
      const credentials = account.name === null
        ? undefined
        : `WHATSAPP_ACCESS_TOKEN_${account.name.toUpperCase()}`;
      const graph = access(credentials);
      if (isFailure(graph)) {
        findings.push({
          account: label,
          number: null,
          level: "problem",
          about: "token",
          what: graph.message,
          advice: "Set it: npx supabase secrets set, as docs/deploy.md describes.",
        });
        return;
      }
      const variable = credentials ?? "WHATSAPP_ACCESS_TOKEN";
      const checked = await checkAccount(
        fetch,
        graph,
        { id: account.id, label, variable, numbers: own },
        now(),
      );
      findings.push(...checked.findings);
      found.push(...checked.numbers);
      if (account.state !== "active") {
        findings.push({
          account: label,
          number: null,
          level: "problem",
          about: "account",
          what: `Meta reported: ${account.state}${
            account.state_why === null ? "" : ` (${account.state_why})`
          }`,
          advice: "Request a review in Meta Business Support.",
        });
      }
    }));
    for (const { id, address, account } of numbers) {
      if (account !== null) continue;
      findings.push({
        account: "unknown",
        number: address ?? id,
        level: "warning",
        about: "account",
        what: "it is not known which account it belongs to",
        advice: "Its first webhook says so; write to it from a phone.",
      });
    }
    if (found.length > 0) await rpc("record_number_check", { p_found: found });
    findings.sort((a, b) =>
      a.account.localeCompare(b.account) || (a.number ?? "").localeCompare(b.number ?? "")
    );
    return Response.json({ findings } satisfies NumberCheck);
  };
}
