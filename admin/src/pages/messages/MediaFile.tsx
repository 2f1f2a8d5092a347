/**
 * The file of a message: pictures, voice and video in place, documents as downloads. It is fetched when it is asked for,
 * since each comes from the provider anew, and kept nowhere.
 */
import { Button } from "@mantine/core";
import { useEffect, useState } from "react";
import type { Message } from "../../../../supabase/functions/_shared/contract/answers/messages.ts";
import { fileFromFunction, saveBlob } from "../../data/functions.ts";
import { useChange } from "../../data/query.ts";
import { Icon } from "../../ui/icons.tsx";
import classes from "./messages.module.css";

const ACTIONS: Readonly<Record<string, string>> = {
  image: "Show photo",
  sticker: "Show sticker",
  video: "Show video",
  audio: "Play voice message",
  document: "Download document",
  mms: "Show file",
};

/** What a browser shows in place, and nothing that could hold a script. */
const SHOWN = /^(?:image\/(?:png|jpeg|gif|webp)|audio\/[a-z0-9.+-]+|video\/[a-z0-9.+-]+)$/;

/** Whether a message may have a file of its own. */
export function hasFile(
  { mail, type, status, direction }: Pick<Message, "mail" | "type" | "status" | "direction">,
): boolean {
  // What we send by MMS are addresses of the sender's.
  return !mail && type in ACTIONS && status !== "deleted" && !(type === "mms" && direction === "out");
}

export function MediaFile({ message: { id, type } }: { message: Pick<Message, "id" | "type"> }) {
  // A text may have ten files; the conversation does not say how many.
  const [files, setFiles] = useState(1);
  if (type !== "mms") return <OneFile path={`wa-media/${id}`} type={type} />;
  return (
    <>
      {Array.from({ length: files }, (_, place) => (
        <OneFile
          key={place}
          path={`sms-webhook/media/${id}?file=${place}`}
          type={type}
          label={place === 0 ? undefined : "Next file"}
          next={place === files - 1 && place < 9 ? () => setFiles(files + 1) : undefined}
        />
      ))}
    </>
  );
}

function OneFile(
  { path, type, label, next }: { path: string; type: string; label?: string; next?: () => void },
) {
  const [missing, setMissing] = useState(false);
  const [shown, setShown] = useState<{ url: string; type: string }>();
  useEffect(() => () => {
    if (shown) URL.revokeObjectURL(shown.url);
  }, [shown]);
  const load = useChange({
    act: async () => {
      const file = await fileFromFunction(path);
      const plain = file.type.split(";")[0].trim().toLowerCase();
      if (type === "document" || !SHOWN.test(plain)) saveBlob(file.bytes, file.name ?? type);
      else setShown({ url: URL.createObjectURL(new Blob([file.bytes], { type: plain })), type: plain });
      next?.();
    },
    onRefused: ({ code }) => {
      if (label === undefined || code !== "media_not_found") return false;
      setMissing(true);
      return true;
    },
    touches: [],
  });
  if (missing) return null;
  if (shown === undefined) {
    return (
      <Button
        size="compact-xs"
        variant="default"
        mt={4}
        leftSection={<Icon name={type === "document" ? "download" : "eye"} size={12} />}
        loading={load.isPending}
        onClick={() => load.mutate(undefined)}
      >
        {label ?? ACTIONS[type]}
      </Button>
    );
  }
  if (shown.type.startsWith("image/")) {
    return (
      <img
        className={classes.media}
        src={shown.url}
        alt={type === "sticker" ? "Sticker" : "Photo of the message"}
      />
    );
  }
  return shown.type.startsWith("audio/")
    ? <audio className={classes.media} src={shown.url} controls aria-label="Voice message" />
    : <video className={classes.media} src={shown.url} controls aria-label="Video" />;
}
