/** Placeholders for missing data. Each says what to do. */
import { Alert, Button, Center, Skeleton, Stack, Text, ThemeIcon } from "@mantine/core";
import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import type { Pages } from "../data/pages.ts";
import type { Refusal } from "../data/refusal.ts";
import { Icon, type IconName } from "./icons.tsx";

/** An empty list: why it is empty, and how to add something. */
export function Empty(
  { icon, title, children, action }: {
    icon: IconName;
    title: string;
    children?: ReactNode;
    action?: ReactNode;
  },
) {
  return (
    <Center py="xl" px="md">
      <Stack align="center" gap="xs" maw={440}>
        <ThemeIcon variant="light" size={48} radius="xl" color="gray">
          <Icon name={icon} size={24} />
        </ThemeIcon>
        <Text fw={600} ta="center">{title}</Text>
        {children && <Text c="dimmed" size="sm" ta="center" component="div">{children}</Text>}
        {action}
      </Stack>
    </Center>
  );
}

/** A failed read: the error, and a button to try again. */
export function Failed({ error, retry }: { error: Refusal; retry?: () => void }) {
  return (
    <Alert color="red" role="alert" title={error.message} icon={<Icon name="warn" />}>
      <Stack gap="xs" align="flex-start">
        {error.hint && <Text size="sm">{error.hint}</Text>}
        {retry && <Button size="xs" variant="default" onClick={() => retry()}>Retry</Button>}
      </Stack>
    </Alert>
  );
}

/** Shows the items of a list in pages, or a placeholder, as `Loaded` does. */
export function LoadedPages<T>(
  { of, empty, rows, children }: {
    of: Pages<T>;
    empty: ReactNode;
    rows?: number;
    children: (items: T[]) => ReactNode;
  },
) {
  if (of.items === undefined) {
    return of.error ? <Failed error={of.error} retry={of.retry} /> : <Loading rows={rows} />;
  }
  return (
    <>
      {of.error && (
        <Alert color="yellow" role="status" mb="sm" icon={<Icon name="warn" />}>
          {of.error.message} The list may be out of date.
        </Alert>
      )}
      {of.items.length === 0 ? empty : children(of.items)}
    </>
  );
}

/** A skeleton while data load. */
export function Loading({ rows = 4, height = 44 }: { rows?: number; height?: number }) {
  return (
    <Stack gap="xs" role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, index) => <Skeleton key={index} height={height} radius="sm" />)}
    </Stack>
  );
}

/**
 * Shows data, or a placeholder. While the project cannot be reached, old data stay, with a note that they are
 * old.
 * @param empty Shown for an empty list.
 */
export function Loaded<T>(
  { of, empty, rows, saysStale = false, children }: {
    of: UseQueryResult<T, Refusal>;
    empty?: ReactNode;
    rows?: number;
    /** The children say themselves that the data are old. */
    saysStale?: boolean;
    children: (data: T) => ReactNode;
  },
) {
  if (of.data === undefined) {
    return of.isError ? <Failed error={of.error} retry={of.refetch} /> : <Loading rows={rows} />;
  }
  const stale = of.isError && !saysStale && (
    <Alert color="yellow" role="status" mb="sm" icon={<Icon name="warn" />}>
      {of.error.message} Last updated at {new Date(of.dataUpdatedAt).toLocaleTimeString()}.
    </Alert>
  );
  return (
    <>
      {stale}
      {empty !== undefined && Array.isArray(of.data) && of.data.length === 0 ? empty : children(of.data)}
    </>
  );
}
