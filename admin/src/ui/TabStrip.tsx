/** The tabs of a page in one line. Where they do not fit, as on a phone, they scroll sideways, to the open one first. */
import { Tabs } from "@mantine/core";
import { type ReactNode, useLayoutEffect, useRef } from "react";
import classes from "./TabStrip.module.css";

/** @param open Value of the open tab. */
export function TabStrip({ open, children }: { open: string; children: ReactNode }) {
  const strip = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const list = strip.current;
    const tab = list?.querySelector<HTMLElement>("[aria-selected=true]");
    // Not scrollIntoView, which would scroll the page too.
    if (list && tab) list.scrollLeft = tab.offsetLeft - (list.clientWidth - tab.offsetWidth) / 2;
  }, [open]);
  return <Tabs.List ref={strip} mb="md" className={classes.tabs}>{children}</Tabs.List>;
}
