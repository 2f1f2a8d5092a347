/** Selection of deliveries in a list, for actions on several at once. */
import { Button, Checkbox } from "@mantine/core";
import { useState } from "react";
import { useAsk } from "../../ui/ask.tsx";

/** The selected ones of these items. */
export function useChosen(items: readonly { id: string }[]) {
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  return {
    /** The selected items that are still shown, in their order. */
    ids: items.map(({ id }) => id).filter((id) => chosen.has(id)),
    has: (id: string) => chosen.has(id),
    choose: (id: string, on: boolean) =>
      setChosen((chosen) => new Set(on ? [...chosen, id] : [...chosen].filter((other) => other !== id))),
    chooseAll: (on: boolean) => setChosen(new Set(on ? items.map(({ id }) => id) : [])),
    /** Called after an action. Keeps what somebody selected while the request was pending. */
    forget: (done: readonly string[]) =>
      setChosen((chosen) => new Set([...chosen].filter((id) => !done.includes(id)))),
  };
}

/** Shows how many of the listed items are selected, and selects all or none. */
export function ChooseAll({ chosen, shown, chooseAll }: {
  chosen: number;
  shown: number;
  chooseAll: (on: boolean) => void;
}) {
  return (
    <Checkbox
      label={chosen === 0 ? `Select all ${shown}` : `${chosen} selected`}
      checked={chosen === shown}
      indeterminate={chosen > 0 && chosen < shown}
      onChange={(event) => chooseAll(event.currentTarget.checked)}
    />
  );
}

/** Asks for a reason, and drops these deliveries. */
export function DropButton({ ids, drop }: { ids: string[]; drop: (reason: string) => void }) {
  const ask = useAsk();
  return (
    <Button
      size="xs"
      variant="default"
      disabled={ids.length === 0}
      onClick={async () => {
        const answer = await ask({
          title: ids.length === 1 ? "Drop this delivery?" : `Drop ${ids.length} deliveries?`,
          body:
            "The services will not receive these messages. They stay listed under Dropped, with your reason.",
          action: "Drop",
          danger: true,
          reason: "required",
        });
        if (answer?.reason) drop(answer.reason);
      }}
    >
      Drop
    </Button>
  );
}
