/** The line above a list: its filters, the views that people saved of it, and the whole list as a file. */
import { Button, Group } from "@mantine/core";
import { type ReactNode, useRef, useState } from "react";
import { allOf, csvText, fileName, saveFile } from "../data/export.ts";
import type { Source } from "../data/pages.ts";
import type { Refusal } from "../data/refusal.ts";
import { toast } from "../data/toasts.tsx";
import { SavedViews } from "./SavedViews.tsx";
import { Icon } from "../ui/icons.tsx";

interface Props<T> {
  /** Name of the list, for its file. */
  name: string;
  /** How the list is read; several are written one after the other. */
  source: Source<T> | readonly Source<T>[];
  /** The filters. */
  children?: ReactNode;
}

export function ListTools<T extends object>({ name, source, children }: Props<T>) {
  return (
    <Group justify="space-between" align="flex-end" gap="sm">
      <Group gap="xs" align="flex-end" style={{ flex: "1 1 auto" }}>{children}</Group>
      <Group gap="xs">
        <SavedViews />
        <Export name={name} sources={"read" in source ? [source] : source} />
      </Group>
    </Group>
  );
}

function Export<T extends object>({ name, sources }: { name: string; sources: readonly Source<T>[] }) {
  const [read, setRead] = useState<number>();
  const busy = useRef(false);
  async function save() {
    if (busy.current) return;
    busy.current = true;
    setRead(0);
    try {
      saveFile(fileName(name), await csvText(await allOf(sources, setRead)));
    } catch (error) {
      const { message, hint } = error as Refusal;
      toast({
        tone: "bad",
        title: "The list was not exported",
        message: [message, hint].filter(Boolean).join(" "),
      });
    } finally {
      busy.current = false;
      setRead(undefined);
    }
  }
  return (
    <Button
      variant="default"
      size="xs"
      leftSection={<Icon name="download" size={14} />}
      aria-label={`Export ${name} as CSV`}
      aria-busy={read !== undefined}
      onClick={save}
    >
      {read === undefined ? "Export" : read === 0 ? "Exporting…" : `${read.toLocaleString()} read…`}
    </Button>
  );
}
