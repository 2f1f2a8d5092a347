/** What somebody may have to look after, in a line or more. */
import type { ReactNode } from "react";
import { Icon } from "../ui/icons.tsx";
import type { Fate } from "./words.ts";
import classes from "./masked.module.css";

export const Note = ({ tone, children }: { tone: Fate["tone"]; children: ReactNode }) => (
  <span className={classes.note} data-tone={tone}>
    <Icon name="warn" size={16} />
    <span>{children}</span>
  </span>
);
