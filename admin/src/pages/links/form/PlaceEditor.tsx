/** Where a rule leads: a page, an app, a store or a chat. */
import { Select, Stack } from "@mantine/core";
import type { Target } from "../../../../../supabase/functions/_shared/contract/links.ts";
import type { WaNumber } from "../words.ts";
import { ChatFields } from "./ChatFields.tsx";
import { TextField, useFault, useForm } from "./fields.tsx";
import { valueAt } from "./body.ts";

type Kind = "url" | "app" | "store" | "whatsapp";

const KINDS: { value: Kind; label: string }[] = [
  { value: "url", label: "Page" },
  { value: "app", label: "App" },
  { value: "store", label: "App store page" },
  { value: "whatsapp", label: "WhatsApp chat" },
];

interface Props {
  /** Of the rule. */
  path: string;
  rule: number;
  numbers: WaNumber[];
}

export function PlaceEditor({ path, rule, numbers }: Props) {
  const { body, set } = useForm();
  const { url, store, app, whatsapp, ...rest } = valueAt(body, path) as Target;
  const kind: Kind = app ? "app" : whatsapp ? "whatsapp" : store !== undefined ? "store" : "url";
  // Faults of the rule itself, such as a missing target.
  const error = useFault(path, true);
  const change = (to: Kind) => {
    const address = url ?? store ?? app?.url ?? "";
    const place = to === "whatsapp"
      ? { whatsapp: { phone_number_id: numbers[0]?.id ?? "", text: "" } }
      : to === "app"
      ? { app: { url: address } }
      : { [to]: address };
    set(path, { ...rest, ...place });
  };
  const of = `of rule ${rule}`;
  return (
    <Stack gap="xs">
      <Select
        label="Target"
        aria-label={`Target ${of}`}
        allowDeselect={false}
        data={KINDS.map((one) => ({ ...one, disabled: one.value === "whatsapp" && numbers.length === 0 }))}
        error={error}
        value={kind}
        onChange={(to) => to && to !== kind && change(to as Kind)}
      />
      {kind === "url" && (
        <TextField
          path={`${path}.url`}
          label={`URL ${of}`}
          unseen
          type="url"
          placeholder="https://www.example.com/"
        />
      )}
      {kind === "store" && (
        <TextField
          path={`${path}.store`}
          label={`Store URL ${of}`}
          unseen
          type="url"
          placeholder="https://apps.apple.com/app/id1234567890"
        />
      )}
      {kind === "whatsapp" && <ChatFields path={`${path}.whatsapp`} numbers={numbers} of={` ${of}`} />}
      {kind === "app" && (
        <>
          <TextField
            path={`${path}.app.url`}
            label={`App URL ${of}`}
            unseen
            placeholder="https://www.example.com/item/1 or myapp://item/1"
            description="A universal link, or a URL with your app's scheme."
          />
          <TextField
            path={`${path}.app.package`}
            label="Android package (optional)"
            placeholder="com.example.app"
            description="If set, Android opens the app with an intent."
          />
          <TextField
            path={`${path}.app.fallback`}
            label="Fallback without the app (optional)"
            type="url"
            placeholder="https://play.google.com/store/apps/details?id=com.example.app"
            description="A store or a page. Default: the link's own page."
          />
        </>
      )}
    </Stack>
  );
}
