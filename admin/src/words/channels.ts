/** Channels in words. */

const NAMES: Readonly<Record<string, string>> = { whatsapp: "WhatsApp", email: "E-mail", sms: "Text" };

/** A channel in one word. Unknown ones are shown by name. */
export const channelInWords = (channel: string): string => NAMES[channel] ?? channel;
