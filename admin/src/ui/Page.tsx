/** The frame of a page: its heading, its actions, and its content. */
import { Group, Stack, Text, Title } from "@mantine/core";
import { type ReactNode, useEffect, useRef } from "react";
import { HelpButton } from "./HelpButton.tsx";
import { takeArrival } from "./location.ts";
import { namePage } from "./title.ts";

export function Page(
  { title, about, actions, back, children }: {
    title: string;
    /** A sentence under the heading. */
    about?: ReactNode;
    /** Buttons beside the heading. */
    actions?: ReactNode;
    /** A link to the parent page. */
    back?: ReactNode;
    children: ReactNode;
  },
) {
  useEffect(() => {
    namePage(title);
  }, [title]);
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    // Focus goes where the page went, so that a screen reader says where that is, and Tab goes on from there.
    if (!takeArrival() || isElsewhere(document.activeElement)) return;
    heading.current?.focus();
  }, []);
  return (
    <Stack gap="lg">
      <Stack gap={4}>
        {back}
        <Group justify="space-between" align="flex-start" gap="sm">
          <Stack gap={4} style={{ minWidth: 0 }}>
            <Group gap={4} wrap="nowrap" align="center">
              <Title
                ref={heading}
                order={1}
                size="h2"
                tabIndex={-1}
                dir="auto"
                style={{ overflowWrap: "anywhere", outline: "none", scrollMarginTop: 80 }}
              >
                {title}
              </Title>
              <HelpButton title={title} />
            </Group>
            {about && <Text c="dimmed" size="sm" component="div">{about}</Text>}
          </Stack>
          {actions && <Group gap="xs">{actions}</Group>}
        </Group>
      </Stack>
      {children}
    </Stack>
  );
}

/** Whether the person is typing, or in a dialog. */
const isElsewhere = (element: Element | null): boolean =>
  element?.closest("input, textarea, [role=dialog]") != null;
