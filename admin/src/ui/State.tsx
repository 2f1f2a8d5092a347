/** A state as one word, in a colour that is readable in dark and light mode. */
import { Badge, type BadgeProps } from "@mantine/core";
import type { ReactNode } from "react";

export type Tone = "good" | "warn" | "bad" | "info" | "plain";

/** Yellow is readable only as a background. */
const LOOKS: Record<Tone, Pick<BadgeProps, "variant" | "color">> = {
  good: { variant: "light", color: "teal" },
  warn: { variant: "filled", color: "yellow.4" },
  bad: { variant: "light", color: "red" },
  info: { variant: "light", color: "blue" },
  plain: { variant: "light", color: "gray" },
};

interface Props {
  tone: Tone;
  size?: BadgeProps["size"];
  /** Tooltip. */
  title?: string;
  /** Keeps the case of the text, for text that contains a name. */
  asWritten?: boolean;
  /** Goes on in a second line where there is no room, for more than a word. */
  wraps?: boolean;
  children: ReactNode;
}

const WRAPPED: BadgeProps["styles"] = {
  root: { flex: "0 1 auto", height: "auto", minHeight: 20 },
  label: { whiteSpace: "normal", overflow: "visible" },
};

export function State({ tone, size, title, asWritten, wraps, children }: Props) {
  return (
    <Badge
      size={size}
      title={title}
      tt={asWritten ? "none" : undefined}
      {...LOOKS[tone]}
      {...(wraps ? { styles: WRAPPED } : { style: { flex: "none" } })}
    >
      {children}
    </Badge>
  );
}
