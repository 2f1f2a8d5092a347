/** Sends the recipients of a file in groups. */
import type { Result } from "../../../../supabase/functions/_shared/contract/sql.ts";
import {
  type Recipient,
  recipientsIn,
  UnreadableRecipients,
} from "../../../../supabase/functions/_shared/mail/recipients.ts";

/** How far it is. */
export interface Upload extends Result<"add_campaign_recipients"> {
  /** How much of the file was read, from 0 to 1. */
  share: number;
  /** Why it ended before the end of the file. */
  fault?: string;
}

/** Recipients in one call: small, so that a weak connection shows progress. */
const GROUP = 1000;

/** Resolves with what was added, also if it broke off. @param told Is called after each group. */
export async function addFile(
  file: File,
  add: (recipients: Recipient[]) => Promise<Result<"add_campaign_recipients">>,
  told: (upload: Upload) => void,
): Promise<Upload> {
  let upload: Upload = { added: 0, duplicates: 0, invalid: 0, suppressed: 0, share: 0 };
  let bytes = 0;
  async function* chunks(): AsyncGenerator<string> {
    const reader = file.stream().getReader();
    const decoder = new TextDecoder();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      bytes += value.length;
      yield decoder.decode(value, { stream: true });
    }
    yield decoder.decode();
  }
  try {
    const format = /\.(?:ndjson|jsonl)$/i.test(file.name) ? "ndjson" : "csv";
    for await (const group of recipientsIn(chunks(), format, GROUP)) {
      const one = await add(group);
      upload = {
        added: upload.added + one.added,
        duplicates: upload.duplicates + one.duplicates,
        invalid: upload.invalid + one.invalid,
        suppressed: upload.suppressed + one.suppressed,
        share: file.size === 0 ? 1 : bytes / file.size,
      };
      told(upload);
    }
    return { ...upload, share: 1 };
  } catch (error) {
    if (error instanceof UnreadableRecipients || error instanceof Error) {
      return { ...upload, fault: error.message };
    }
    throw error;
  }
}
