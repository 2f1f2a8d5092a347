/** How many segments a text is sent as, while it is written, and what makes it dear. */
import { Anchor, Text } from "@mantine/core";
import { segmentsOf, withPlainCharacters } from "../../../../supabase/functions/_shared/sms/segments.ts";

interface Props {
  text: string;
  /** Takes the same text with plain characters, which is cheaper. */
  replace: (plain: string) => void;
}

export function Segments({ text, replace }: Props) {
  const { segments, left, outside } = segmentsOf(text);
  const plain = withPlainCharacters(text);
  const saved = segments - segmentsOf(plain).segments;
  return (
    <Text size="xs" c={segments > 3 ? "orange" : "dimmed"} aria-live="polite">
      {segments} {segments === 1 ? "segment" : "segments"}, {left} left
      {outside.length > 0 && `. ${outside.join(" ")} need more room`}
      {saved > 0 && (
        <>
          {". "}
          <Anchor component="button" type="button" size="xs" onClick={() => replace(plain)}>
            Use plain characters
          </Anchor>
        </>
      )}
    </Text>
  );
}
