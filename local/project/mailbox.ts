/** The mails of Auth. The local stack sends none: they lie in mails.txt in its data folder, for its owner's eyes alone. */
import type { EmailDriver, EmailMessage } from "@supabase/lite";

export interface MailboxOptions {
  /** File that each mail is added to. It holds links that sign people in. */
  path: string;
  /** Where links in mails lead in the end: the admin panel. */
  page: string;
}

/** What Auth hands its mails to. */
export function createMailbox({ path, page }: MailboxOptions): EmailDriver {
  return {
    async send({ to, subject, text, html }: EmailMessage): Promise<void> {
      // @supabase/lite leads to the site's root, whatever page the link was asked for from.
      const body = (text ?? html ?? "").replace(/(redirect_to=)[^&"\s<]*/g, `$1${encodeURIComponent(page)}`);
      const mail = `To: ${to}\nDate: ${new Date().toISOString()}\nSubject: ${subject}\n\n${body}\n\n`;
      await Deno.writeTextFile(path, mail, { append: true, mode: 0o600 });
    },
  };
}
