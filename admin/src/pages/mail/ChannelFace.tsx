/** The face of a conversation: which channel it is on. */
import { VisuallyHidden } from "@mantine/core";
import { Icon } from "../../ui/icons.tsx";
import { channelInWords } from "../../words/channels.ts";

export function ChannelFace({ channel }: { channel: string }) {
  const name = channelInWords(channel);
  return (
    <span title={name} style={{ display: "inline-flex", color: "var(--mantine-color-dimmed)" }}>
      <Icon name={channel === "email" ? "mail" : channel === "sms" ? "phone" : "chat"} size={16} />
      <VisuallyHidden>{name},&nbsp;</VisuallyHidden>
    </span>
  );
}
