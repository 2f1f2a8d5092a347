/** The face of a conversation: which channel it is on. */
import { VisuallyHidden } from "@mantine/core";
import { Icon } from "../../ui/icons.tsx";

const NAMES: Record<string, string> = { whatsapp: "WhatsApp", email: "E-mail", sms: "Text" };

export function ChannelFace({ channel }: { channel: string }) {
  const name = NAMES[channel] ?? channel;
  return (
    <span title={name} style={{ display: "inline-flex", color: "var(--mantine-color-dimmed)" }}>
      <Icon name={channel === "email" ? "mail" : channel === "sms" ? "phone" : "chat"} size={16} />
      <VisuallyHidden>{name},&nbsp;</VisuallyHidden>
    </span>
  );
}
