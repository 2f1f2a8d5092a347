/** Imports links from a file, with a result for each row. */
import {
  Alert,
  Anchor,
  Button,
  Code,
  FileButton,
  Group,
  NativeSelect,
  Stack,
  Table,
  Text,
  Textarea,
} from "@mantine/core";
import { useEffect, useState } from "react";
import { Link as To } from "wouter";
import { LINK_COLUMNS } from "../../../../supabase/functions/_shared/contract/link_fields.ts";
import { MAX_BULK } from "../../../../supabase/functions/_shared/contract/link_limits.ts";
import type {
  BulkResult,
  BulkResults,
  NewLink,
} from "../../../../supabase/functions/_shared/contract/links.ts";
import { csvText, fileName, saveFile } from "../../data/export.ts";
import { callFunction } from "../../data/functions.ts";
import { useChange } from "../../data/query.ts";
import { For } from "../../session/me.tsx";
import { Icon } from "../../ui/icons.tsx";
import { Page } from "../../ui/Page.tsx";
import { State } from "../../ui/State.tsx";
import { Empty } from "../../ui/states.tsx";
import { useUnsaved } from "../../ui/unsaved.ts";
import { type FileRow, type LinkFile, NO_FILE, readLinkFile, textOfFile, WHY_COLUMN } from "./file.ts";
import { CHARSETS } from "../../../../supabase/functions/_shared/links/table/charset.ts";
import type { DateOrder } from "../../../../supabase/functions/_shared/links/table/dates.ts";

const ERRORS: Record<string, string> = {
  code_taken: "Another link already has this code.",
  code_reserved: "This code is reserved.",
  external_id_taken: "Another link already has this external id.",
  no_code_found: "No free code was found. Try again.",
};

/** Columns that a file may have. */
const COLUMNS = ["code", ...LINK_COLUMNS, "password"];

/** Refused rows that are said before a file of them is offered. */
const SAID = 10;

const EXAMPLE = "default_url,code,tags\nhttps://www.example.com/spring,spring-24,poster;spring";

/** The parsed text, parsed again after each change. */
function useLinkFile(text: string, dates: DateOrder | undefined): LinkFile {
  const [file, setFile] = useState(NO_FILE);
  useEffect(() => {
    let stale = false;
    void readLinkFile(text, { dates }).then((read) => stale || setFile(read));
    return () => void (stale = true);
  }, [text, dates]);
  return file;
}

export default function Import() {
  return (
    <Page
      title="Import links"
      about={`CSV with a header row, or JSON. At most ${MAX_BULK.toLocaleString()} links at once.`}
      back={<Anchor component={To} size="sm" href="/links">← All links</Anchor>}
    >
      <For
        role="operator"
        otherwise={
          <Empty icon="link" title="Only operators can create links">
            Ask an admin of your team for the role.
          </Empty>
        }
      >
        <Form />
      </For>
    </Page>
  );
}

function Form() {
  const [text, setText] = useState("");
  const [dates, setDates] = useState<DateOrder>();
  const [bytes, setBytes] = useState<Uint8Array>();
  const [charset, setCharset] = useState<string>();
  const file = useLinkFile(text, dates);
  const { rows, leftOut, refused, lost, assumedUtc } = file;
  const chosen = bytes && textOfFile(bytes, charset);
  const fault = chosen && "fault" in chosen ? chosen.fault : file.fault;
  const make = useChange({
    act: (rows: FileRow[]) =>
      callFunction<BulkResults>("deeplinks/bulk", {
        method: "POST",
        body: { links: rows.map(({ link }) => link) },
      }),
    touches: ["links"],
  });
  const check = useChange({
    act: (rows: FileRow[]) =>
      callFunction<BulkResults>("deeplinks/bulk", {
        method: "POST",
        body: { links: rows.map(({ link }) => link), check: true },
      }),
    touches: [],
  });
  const results = make.data?.results;
  const checked = results === undefined ? check.data?.results : undefined;
  useUnsaved(text !== "" && !make.isPending && results === undefined ? "the rows to import" : undefined);
  const edit = (text: string) => {
    make.reset();
    check.reset();
    setBytes(undefined);
    setText(text);
  };
  const choose = (bytes: Uint8Array, charset: string | undefined) => {
    make.reset();
    check.reset();
    setBytes(bytes);
    setCharset(charset);
    const read = textOfFile(bytes, charset);
    setText("text" in read ? read.text : "");
  };
  return (
    <Stack>
      <Text size="sm">
        Accepts the output of <Code>gatelink links export</Code>{" "}
        and exports of Bitly, Dub, Firebase, Kutt, Rebrandly, Short.io, TinyURL and YOURLS. Columns:{" "}
        <Code>{COLUMNS.join(", ")}</Code>. Separate tags with{" "}
        <Code>;</Code>. You can import the same file again: existing links are kept.
      </Text>
      <Textarea
        label="Rows"
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
        <NativeSelect
          label="Dates that are not like 2027-02-01"
          value={dates ?? ""}
          data={[
            { value: "", label: "Refuse them" },
            { value: "dmy", label: "Day first: 31.12.2027" },
            { value: "mdy", label: "Month first: 12/31/2027" },
          ]}
          onChange={({ currentTarget: { value } }) => setDates(value === "" ? undefined : value as DateOrder)}
        />
        {chosen && "fault" in chosen && chosen.asksCharset && bytes && (
          <NativeSelect
            label="Charset of the file"
            value={charset ?? ""}
            data={[{ value: "", label: "Choose one" }, ...CHARSETS]}
            onChange={({ currentTarget: { value } }) => choose(bytes, value === "" ? undefined : value)}
          />
        )}
      </Group>
      {refused.length > 0 && (
        <Alert color="red" role="status">
          Refused: {refused.slice(0, SAID).map(({ place, why }) => `row ${place}, ${why}`).join("; ")}
          {refused.length > SAID && `; and ${(refused.length - SAID).toLocaleString()} more`}.
        </Alert>
      )}
      {assumedUtc > 0 && (
        <Alert color="blue" role="status">
          Times without a zone are read as UTC, in {assumedUtc === 1 ? "1 row" : `${assumedUtc} rows`}.
        </Alert>
      )}
      {lost.length > 0 && (
        <Alert color="yellow" role="status">
          Not imported, because links have no such field:{" "}
          {lost.map(({ column, rows }) => `${column} (${rows === 1 ? "1 row" : `${rows} rows`})`).join(", ")}.
        </Alert>
      )}
      {leftOut.length > 0 && (
        <Alert color="blue" role="status">
          Skipped: {leftOut.map(({ place, why }) => `row ${place}, ${why}`).join("; ")}.
        </Alert>
      )}
      <Group>
        <FileButton
          accept=".csv,.json,.jsonl,text/csv,application/json"
          onChange={(file) =>
            void file?.arrayBuffer().then((buffer) => choose(new Uint8Array(buffer), undefined))}
        >
          {(props) => (
            <Button {...props} variant="default" leftSection={<Icon name="upload" size={16} />}>
              Choose file
            </Button>
          )}
        </FileButton>
        <Button
          variant="default"
          disabled={rows.length === 0}
          loading={check.isPending}
          onClick={() => {
            make.reset();
            check.mutate(rows);
          }}
        >
          Check without creating
        </Button>
        <Button disabled={rows.length === 0} loading={make.isPending} onClick={() => make.mutate(rows)}>
          {rows.length === 0
            ? "Create links"
            : rows.length === 1
            ? "Create 1 link"
            : `Create ${rows.length} links`}
        </Button>
      </Group>
      <RefusedRows file={file} results={results ?? checked} />
      {checked && <Results of={checked} rows={rows} isCheck />}
      {results && <Results of={results} rows={rows} />}
    </Stack>
  );
}

/** Where a row leads, as the file states it. */
function placeOf(row: FileRow | undefined): string | undefined {
  const { default_url, whatsapp } = (row?.link ?? {}) as NewLink;
  return default_url ?? whatsapp?.text;
}

/** Why a row was refused; undefined if it was not. */
const whyOf = (result: BulkResult): string | undefined =>
  "error" in result ? result.detail ?? ERRORS[result.error] ?? result.error : undefined;

/** Saves the rows that were refused, as they stood in the file, each with the reason: to mend them and import that file. */
function RefusedRows({ file, results }: { file: LinkFile; results: BulkResult[] | undefined }) {
  const refused = [
    ...file.refused,
    ...(results ?? []).flatMap((result, index) => {
      const why = whyOf(result);
      return why === undefined ? [] : [{ place: file.rows[index]?.place, why }];
    }),
  ].sort((a, b) => a.place - b.place);
  if (refused.length === 0) return null;
  return (
    <Group>
      <Button
        variant="default"
        leftSection={<Icon name="download" size={16} />}
        onClick={async () =>
          saveFile(
            fileName("refused-links"),
            await csvText(
              refused.map(({ place, why }) => ({ ...file.cells.get(place), [WHY_COLUMN]: why })),
            ),
          )}
      >
        Save{" "}
        {refused.length === 1 ? "the refused row" : `the ${refused.length.toLocaleString()} refused rows`}
      </Button>
    </Group>
  );
}

function Results({ of, rows, isCheck = false }: { of: BulkResult[]; rows: FileRow[]; isCheck?: boolean }) {
  const failed = of.filter((result) => "error" in result).length;
  return (
    <Stack gap="sm">
      <Alert color={failed > 0 ? "yellow" : "green"} role="status">
        {isCheck
          ? `${
            of.length - failed
          } of ${of.length} links can be created or already exist. Nothing was created.`
          : `${of.length - failed} of ${of.length} links were created or already existed.`}
        {failed > 0 && " See the errors below, fix those rows and import them again."}
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
            {of.map((result, index) => (
              <Table.Tr key={index}>
                <Table.Td>{rows[index]?.place}</Table.Td>
                <Table.Td>
                  <State
                    tone={result.status === 201 ? "good" : result.status === 200 ? "info" : "bad"}
                    asWritten
                  >
                    {result.status === 201
                      ? isCheck ? "fine" : "created"
                      : result.status === 200
                      ? "exists"
                      : "refused"}
                  </State>
                </Table.Td>
                <Table.Td style={{ overflowWrap: "anywhere" }}>
                  {"code" in result
                    ? (
                      <Anchor component={To} href={`/links/at/${result.code}`} ff="monospace">
                        {result.code}
                      </Anchor>
                    )
                    : whyOf(result)}
                  <Text size="xs" c="dimmed" truncate>{placeOf(rows[index])}</Text>
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </Stack>
  );
}
