/** Many links from a file, each row with its own result. */
import { Alert, Anchor, Button, Code, FileButton, Group, Stack, Table, Text, Textarea } from "@mantine/core";
import { useMemo, useState } from "react";
import { Link as To } from "wouter";
import { callFunction } from "../../data/functions.ts";
import { useChange } from "../../data/query.ts";
import { For } from "../../session/me.tsx";
import { Icon } from "../../ui/icons.tsx";
import { Page } from "../../ui/Page.tsx";
import { State } from "../../ui/State.tsx";
import { Empty } from "../../ui/states.tsx";
import { COLUMNS, FileError, MOST, readRows } from "./rows.ts";
import type { NewLink } from "./types.ts";

interface Result {
  status: number;
  code?: string;
  url?: string;
  error?: string;
  detail?: string;
}

const ERRORS: Record<string, string> = {
  code_taken: "Another link has this code.",
  code_reserved: "This code is reserved.",
  external_id_taken: "Another link has this external id.",
  no_code_found: "No free code was found. Try again.",
};

const EXAMPLE = "default_url,code,tags\nhttps://www.example.com/spring,spring-24,poster;spring";

function read(text: string): { rows: NewLink[]; fault?: string } {
  try {
    return { rows: readRows(text) };
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    return { rows: [], fault: error.message };
  }
}

export function Import() {
  return (
    <Page
      title="Import links"
      about={`CSV with a row of column names, or JSON; at most ${MOST.toLocaleString()} at once.`}
      back={<Anchor component={To} size="sm" href="/links">← All links</Anchor>}
    >
      <For
        role="operator"
        otherwise={<Empty icon="link" title="Operators make links">Ask an operator of your team.</Empty>}
      >
        <Form />
      </For>
    </Page>
  );
}

function Form() {
  const [text, setText] = useState("");
  const { rows, fault } = useMemo(() => read(text), [text]);
  const make = useChange({
    act: (links: NewLink[]) =>
      callFunction<{ results: Result[] }>("deeplinks/bulk", { method: "POST", body: { links } }),
    touches: ["links"],
  });
  const results = make.data?.results;
  const edit = (text: string) => {
    make.reset();
    setText(text);
  };
  return (
    <Stack>
      <Text size="sm">
        Columns: <Code>{Object.keys(COLUMNS).join(", ")}</Code>. Several tags stand apart by{" "}
        <Code>;</Code>. With an <Code>external_id</Code>{" "}
        the same file can be given again: what is there stays.
      </Text>
      <Textarea
        label="The rows"
        placeholder={EXAMPLE}
        autosize
        minRows={6}
        maxRows={14}
        value={text}
        error={fault}
        onChange={({ currentTarget: { value } }) => edit(value)}
        styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)", fontSize: 13 } }}
      />
      <Group>
        <FileButton
          accept=".csv,.json,text/csv,application/json"
          onChange={(file) => void file?.text().then(edit)}
        >
          {(props) => (
            <Button {...props} variant="default" leftSection={<Icon name="upload" size={16} />}>
              Choose a file
            </Button>
          )}
        </FileButton>
        <Button disabled={rows.length === 0} loading={make.isPending} onClick={() => make.mutate(rows)}>
          {rows.length === 0
            ? "Make the links"
            : rows.length === 1
            ? "Make 1 link"
            : `Make ${rows.length} links`}
        </Button>
      </Group>
      {results && <Results of={results} rows={rows} />}
    </Stack>
  );
}

function Results({ of, rows }: { of: Result[]; rows: NewLink[] }) {
  const failed = of.filter(({ code }) => code === undefined).length;
  return (
    <Stack gap="sm">
      <Alert color={failed > 0 ? "yellow" : "green"} role="status">
        {of.length - failed} of {of.length} are there.
        {failed > 0 && " The others say why below; mend those rows and give them again."}
      </Alert>
      <Table.ScrollContainer minWidth={480}>
        <Table aria-label="Results by row">
          <Table.Thead>
            <Table.Tr>
              <Table.Th w={60}>Row</Table.Th>
              <Table.Th w={110}>Result</Table.Th>
              <Table.Th>Link</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {of.map(({ status, code, error, detail }, index) => (
              <Table.Tr key={index}>
                <Table.Td>{index + 1}</Table.Td>
                <Table.Td>
                  <State tone={status === 201 ? "good" : status === 200 ? "info" : "bad"} asWritten>
                    {status === 201 ? "made" : status === 200 ? "was there" : "refused"}
                  </State>
                </Table.Td>
                <Table.Td style={{ overflowWrap: "anywhere" }}>
                  {code
                    ? <Anchor component={To} href={`/links/at/${code}`} ff="monospace">{code}</Anchor>
                    : detail ?? ERRORS[error ?? ""] ?? error}
                  <Text size="xs" c="dimmed" truncate>
                    {rows[index]?.default_url ?? rows[index]?.whatsapp?.text}
                  </Text>
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </Stack>
  );
}
