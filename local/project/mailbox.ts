/**
 * The mails of Auth. The local stack sends none; it writes them to mails.txt in its data folder, readable
 * only by its owner.
 */
import type { EmailDriver, EmailMessage } from "@supabase/lite";

export interface MailboxOptions {
  /** File that each mail is appended to. It contains links that sign people in. */
  path: string;
  /** Final target of links in mails: the admin panel. */
  page: string;
}

/** Creates the email driver of Auth. */
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
