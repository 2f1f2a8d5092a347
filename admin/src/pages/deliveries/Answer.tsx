/** What a service answered to an attempt, one step away: closed until somebody wants to read it. */
import { Code, Text } from "@mantine/core";
import type { LoggedAttempt } from "../../../../supabase/functions/_shared/contract/answers/deliveries.ts";
import { useMay } from "../../session/me.tsx";

export function Answer({ of: { answer } }: { of: Pick<LoggedAttempt, "answer"> }) {
  const may = useMay("operator");
  if (!may || answer === null || answer === "") return null;
  return (
    <Text component="details" size="sm">
      <summary style={{ cursor: "pointer" }}>Response</summary>
      <Code
        block
        dir="auto"
        mt={4}
        style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere", maxHeight: 240 }}
      >
        {answer}
      </Code>
    </Text>
  );
}
