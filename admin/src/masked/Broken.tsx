/** A failure before it is known that there is anything at the address: as plain as the page where there is nothing. */
import { Box, Center } from "@mantine/core";
import type { Refusal } from "../data/refusal.ts";
import { Failed } from "../ui/states.tsx";

export function Broken({ error, retry }: { error: Refusal; retry?: () => void }) {
  return (
    <Center mih="100dvh" component="main" p="md">
      <Box maw={420}>
        <Failed error={error} retry={retry} />
      </Box>
    </Center>
  );
}
