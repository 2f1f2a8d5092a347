/** The files of a text, each opened in a tab of its own: what it shows is not part of this page. */
import { Group } from "@mantine/core";
import { Icon } from "../ui/icons.tsx";
import { WORDS } from "./words.ts";
import classes from "./masked.module.css";

export function Files({ files, media }: { files: readonly string[]; media: number }) {
  if (media === 0) return null;
  if (files.length === 0) return <span>{WORDS.thread.media(media)}</span>;
  return (
    <Group gap="xs">
      {files.map((address, index) => (
        <a key={index} className={classes.link} href={address} target="_blank" rel="noopener noreferrer">
          <Icon name="clip" size={14} /> {WORDS.thread.file(index + 1, files.length)}
        </a>
      ))}
    </Group>
  );
}
