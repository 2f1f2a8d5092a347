/** Asks before a page is left on which a change was made and not saved, where no draft of it is kept. */
import { useEffect } from "react";
import { useAsk } from "./ask.tsx";
import { guard } from "./location.ts";

/** @param what What would be lost: `the percentage`; undefined if nothing would. */
export function useUnsaved(what: string | undefined): void {
  const ask = useAsk();
  useEffect(() => {
    if (what === undefined) return;
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener("beforeunload", warn);
    const release = guard(async () =>
      await ask({
        title: "Leave without saving?",
        body: `Not saved: ${what}.`,
        action: "Leave",
        danger: true,
        reason: "none",
      }) !== undefined
    );
    return () => {
      removeEventListener("beforeunload", warn);
      release();
    };
  }, [what]);
}
