/** Short messages about what was just done. They offer to undo it, and stay away from where the person is working. */
import { Button, Group } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useState } from "react";
import { Refusal } from "./refusal.ts";

export interface Toast {
  tone: "good" | "bad";
  title?: string;
  message: string;
  /** Undoes what the message tells of, and resolves with what to say then. @throws {Refusal} */
  undo?: () => Promise<string>;
}

/** How long a message stays, in milliseconds: longer if there is something to read or to decide. */
const SHOWN_MS = { good: 4_000, bad: 10_000, undo: 12_000 };

export function toast({ tone, title, message, undo }: Toast): void {
  const id = crypto.randomUUID();
  notifications.show({
    id,
    color: tone === "good" ? "green" : "red",
    title,
    message: undo ? <Undoable message={message} undo={undo} close={() => notifications.hide(id)} /> : message,
    autoClose: SHOWN_MS[undo ? "undo" : tone],
    position: isPressedAbove() ? "bottom-center" : "top-center",
  });
}

function Undoable(
  { message, undo, close }: { message: string; undo: () => Promise<string>; close: () => void },
) {
  const [isBusy, setBusy] = useState(false);
  const act = async () => {
    setBusy(true);
    try {
      const said = await undo();
      close();
      toast({ tone: "good", message: said });
    } catch (error) {
      close();
      const { message, hint } = error instanceof Refusal ? error : new Refusal("unknown", String(error));
      toast({ tone: "bad", title: "Not undone", message: [message, hint].filter(Boolean).join(" ") });
    }
  };
  return (
    <Group justify="space-between" wrap="nowrap" gap="sm">
      <span>{message}</span>
      <Button
        size="xs"
        variant="default"
        loading={isBusy}
        onClick={() => void act()}
        style={{ flex: "none" }}
      >
        Undo
      </Button>
    </Group>
  );
}

/** Height in the window of what was pressed last, in pixels. */
let pressed = 0;
const isPressedAbove = () => pressed < innerHeight / 2;

function remember({ target }: Event): void {
  // Whoever confirms something looks at what they asked for, not at the question. A message itself is about neither.
  if (!(target instanceof Element) || target.closest("[data-question], .mantine-Notifications-root")) return;
  const { top, height } = target.getBoundingClientRect();
  pressed = top + height / 2;
}
addEventListener("pointerdown", remember, { capture: true });
addEventListener("keydown", (event) => (event.key === "Enter" || event.key === " ") && remember(event), {
  capture: true,
});
