/**
 * The form of a new or existing link: common fields at the top, the rest in sections, and a preview beside
 * it.
 */
import { Alert, Button, Group, Input, SegmentedControl, SimpleGrid, Stack, Text, Title } from "@mantine/core";
import { type FormEvent, type ReactNode, useEffect, useMemo, useRef, useState } from "react";
import type { Link } from "../../../../../supabase/functions/_shared/contract/links.ts";
import type { Fault, Refusal } from "../../../data/refusal.ts";
import { AddHost } from "../../../session/AddHost.tsx";
import type { Draft as Kept } from "../../../session/draft.ts";
import { hostOf } from "../../../ui/host.ts";
import { Icon } from "../../../ui/icons.tsx";
import { Restored } from "../../../session/Restored.tsx";
import { preview, type PreviewContext, type Visitor } from "../preview.ts";
import { PreviewTable, VisitorFields } from "../PreviewTable.tsx";
import { cleaned, type Draft, valueAt, withValue } from "./body.ts";
import { ChatFields } from "./ChatFields.tsx";
import { FormProvider, type FormState, TextField } from "./fields.tsx";
import { More } from "./More.tsx";
import { PlainFields } from "./PlainFields.tsx";

/** The field of each refusal that is about one field but does not name it. */
const FIELD_OF: Record<string, string> = {
  code_taken: "code",
  code_reserved: "code",
  external_id_taken: "external_id",
};

interface Props {
  ground: PreviewContext;
  /** What is typed, kept under the name of the form. */
  kept: Kept<Link | undefined>;
  /** Initial values. */
  start: Draft;
  /** Given for an existing link: whether it has a password. */
  link?: { password: boolean };
  /** Submits the body. */
  save: (body: Draft, onRefused: (refusal: Refusal) => void) => void;
  saving: boolean;
  action: string;
  /** Content above the button. */
  notice?: ReactNode;
  blocked?: boolean;
}

export function LinkForm(
  { ground: { rules, numbers }, kept, start, link, save, saving, action, notice, blocked }: Props,
) {
  const [draft, setDraft] = kept.field("body", start);
  const [opens, setOpens] = kept.field<"chat" | "page">("opens", start.whatsapp ? "chat" : "page");
  const [visitor, setVisitor] = useState<Visitor>({});
  const [refusal, setRefusal] = useState<Refusal>();
  const [refused, setRefused] = useState<FormState["refused"]>();
  const form = useRef<HTMLFormElement>(null);
  // The chat's fields keep their values while a page is selected.
  const body = useMemo(() => opens === "page" ? { ...draft, whatsapp: undefined } : draft, [draft, opens]);
  const rows = useMemo(() => preview(body, rules, visitor), [body, rules, visitor]);
  const leads = Boolean(body.default_url?.trim() || body.whatsapp);
  const state: FormState = {
    body: draft,
    set: (path, value) => setDraft((before) => withValue(before, path, value)),
    refused,
  };
  useEffect(() => {
    form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus();
  }, [refused]);

  const submit = (event: FormEvent) => {
    event.preventDefault();
    setRefusal(undefined);
    setRefused(undefined);
    save(cleaned(body), (refusal) => {
      const path = FIELD_OF[refusal.code];
      const faults: readonly Fault[] = path ? [{ path, message: refusal.message }] : refusal.fields;
      setRefusal(refusal);
      setRefused({ body: draft, faults });
    });
  };

  return (
    <FormProvider value={state}>
      <form onSubmit={submit} ref={form} noValidate>
        <SimpleGrid cols={{ base: 1, md: 2 }} spacing="xl">
          <Stack>
            <Restored draft={kept} />
            <div>
              <Input.Label component="div" labelElement="div" mb={4} id="opens">Opens</Input.Label>
              <SegmentedControl
                aria-labelledby="opens"
                fullWidth
                value={opens}
                onChange={(to) => {
                  setOpens(to as typeof opens);
                  if (to === "chat" && !draft.whatsapp) {
                    setDraft({ ...draft, whatsapp: { phone_number_id: numbers[0].id, text: "" } });
                  }
                }}
                data={[{
                  value: "chat",
                  label: "WhatsApp chat",
                  disabled: numbers.length === 0 && !draft.whatsapp,
                }, { value: "page", label: "Page" }]}
              />
            </div>
            {opens === "chat" && <ChatFields path="whatsapp" numbers={numbers} />}
            <TextField
              path="default_url"
              label={opens === "chat" ? "Page if chats are off (optional)" : "URL"}
              type="url"
              placeholder="https://www.example.com/"
            />
            {!link && (
              <TextField
                path="code"
                label="Custom code (optional)"
                description="3 to 64 of a-z, 0-9, - and _. It cannot be changed later. If empty, a short code is generated."
                placeholder="poster-7"
              />
            )}
            <PlainFields section="top" />
            <More numbers={numbers} locked={link?.password ?? false} />
          </Stack>
          <Stack style={{ position: "sticky", top: 76, alignSelf: "start" }}>
            <Title order={2} size="h4">Preview</Title>
            {leads
              ? (
                <>
                  <PreviewTable rows={rows} />
                  <VisitorFields targets={body.targets ?? []} value={visitor} onChange={setVisitor} />
                </>
              )
              : (
                <Text c="dimmed" size="sm">
                  Choose a chat or a page to see the target for each platform.
                </Text>
              )}
            {notice}
            {refusal && !refusal.conflict && (
              <Alert
                color="red"
                role="alert"
                title={`${link ? "Not saved" : "Not created"}`}
                icon={<Icon name="warn" />}
              >
                {refused && refused.faults.length > 0 ? "See the marked fields." : refusal.message}{" "}
                {refusal.code !== "url_not_allowed" && refusal.hint}
                {refusal.code === "url_not_allowed" &&
                  refusedUrls(refused).map((url) => <AddHost key={url} url={url} purpose="redirect" />)}
              </Alert>
            )}
            <Group>
              <Button type="submit" loading={saving} disabled={!leads || blocked}>{action}</Button>
            </Group>
          </Stack>
        </SimpleGrid>
      </form>
    </FormProvider>
  );
}

/** The refused addresses, one of each host. */
function refusedUrls(refused: FormState["refused"]): string[] {
  const urls = new Map<string, string>();
  for (const { path } of refused?.faults ?? []) {
    const url = valueAt(refused!.body, path);
    const host = typeof url === "string" ? hostOf(url) : undefined;
    if (host !== undefined) urls.set(host, url as string);
  }
  return [...urls.values()];
}
