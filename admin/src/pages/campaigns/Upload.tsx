/** Adds recipients from a file, which is read and sent piece by piece. */
import { Alert, Button, FileButton, Group, Progress, Text } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { CAMPAIGN_CHANGED } from "../../data/campaigns.ts";
import { rpc } from "../../data/query.ts";
import { Icon } from "../../ui/icons.tsx";
import { Section } from "../../ui/Section.tsx";
import { useUnsaved } from "../../ui/unsaved.ts";
import { addFile, type Upload as Told } from "./file.ts";

export function Upload({ id }: { id: string }) {
  const [told, setTold] = useState<Told>();
  const [busy, setBusy] = useState(false);
  const client = useQueryClient();
  useUnsaved(busy ? "the rest of the recipients" : undefined);
  async function add(file: File | null) {
    if (file === null || busy) return;
    setBusy(true);
    try {
      setTold(
        await addFile(
          file,
          (recipients) => rpc("add_campaign_recipients", { p_id: id, p_recipients: recipients }),
          setTold,
        ),
      );
    } finally {
      setBusy(false);
      for (const key of CAMPAIGN_CHANGED) void client.invalidateQueries({ queryKey: [key] });
    }
  }
  return (
    <Section
      title="Add recipients"
      about="CSV with a column to or email, or NDJSON. Other columns are values of placeholders. Nobody is added twice."
    >
      <Group>
        <FileButton onChange={(file) => void add(file)} accept=".csv,.tsv,.txt,.ndjson,.jsonl">
          {(props) => (
            <Button
              {...props}
              variant="default"
              loading={busy}
              leftSection={<Icon name="upload" size={16} />}
            >
              Choose a file
            </Button>
          )}
        </FileButton>
        {told && (
          <Text size="sm" role="status">
            {told.added.toLocaleString()} added
            {told.duplicates > 0 && `, ${told.duplicates.toLocaleString()} were there already`}
            {told.invalid > 0 && `, ${told.invalid.toLocaleString()} without an address`}
            {told.suppressed > 0 && `, ${told.suppressed.toLocaleString()} of those added are suppressed`}
          </Text>
        )}
      </Group>
      {busy && told && <Progress value={100 * told.share} mt="sm" aria-label="Read of the file" />}
      {told?.fault && (
        <Alert color="red" variant="light" mt="sm" title="The file was not added to its end">
          {told.fault} Those before it are added. Mend the file and choose it again: nobody is added twice.
        </Alert>
      )}
    </Section>
  );
}
