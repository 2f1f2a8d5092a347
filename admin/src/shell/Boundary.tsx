/** Keeps the navigation working if a page throws, or cannot be loaded: without a network, or after a new version. */
import { Button } from "@mantine/core";
import { Component, type ReactNode, useEffect } from "react";
import { Empty } from "../ui/states.tsx";

interface Props {
  /**
   * The search of the address. When it changes, a page that failed is tried again; a working page is kept.
   */
  search: string;
  children: ReactNode;
}

interface State {
  search?: string;
  error?: Error;
}

export class Boundary extends Component<Props, State> {
  override state: State = {};

  static getDerivedStateFromProps({ search }: Props, before: State): State | null {
    return search === before.search ? null : { search, error: undefined };
  }

  static getDerivedStateFromError(error: Error): { error: Error } {
    return { error };
  }

  override render(): ReactNode {
    const { error } = this.state;
    if (!error) return this.props.children;
    if (isNotLoaded(error)) return <NotLoaded error={error} />;
    return (
      <Empty
        icon="warn"
        title="Something went wrong on this page"
        action={<Button onClick={() => location.reload()}>Reload</Button>}
      >
        {error.message}
      </Empty>
    );
  }
}

/** Whether a module or its style could not be loaded, in the words of Chromium, Firefox, Safari and Vite. */
export const isNotLoaded = ({ message }: Error): boolean =>
  /dynamically imported module|importing a module script failed|unable to preload/i.test(message);

/** How often the host of the panel is asked whether it answers again, in milliseconds. */
const ASK_MS = 3_000;
/** A page that cannot be loaded from a host that answers is not tried again by itself within this time, in milliseconds. */
const AGAIN_MS = 60_000;
const RELOADED = "gatelink-reloaded";

/**
 * Waits for the host of the panel, whatever the browser thinks of its network: a proxy or the host itself may be away too.
 * A browser never asks again for a module that it could not load, so a new document is loaded; drafts outlive that.
 */
function NotLoaded({ error }: { error: Error }) {
  useEffect(() => {
    const ask = async () => {
      // The host may answer and yet lack the file, between two versions: no endless reloading.
      if (Date.now() - Number(sessionStorage.getItem(RELOADED) ?? 0) < AGAIN_MS) return;
      // What could not be loaded, as Chromium and Vite name it. Any answer will do: after a new version it is gone.
      const [file = "./config.json"] = /https?:\S+/.exec(error.message) ?? [];
      const answers = await fetch(file, { cache: "no-store" }).then(() => true, () => false);
      if (!answers) return;
      sessionStorage.setItem(RELOADED, String(Date.now()));
      location.reload();
    };
    addEventListener("online", ask);
    const timer = setInterval(ask, ASK_MS);
    return () => {
      removeEventListener("online", ask);
      clearInterval(timer);
    };
  }, []);
  return (
    <Empty
      icon="warn"
      title={navigator.onLine ? "This page could not be loaded" : "There is no network"}
      action={<Button onClick={() => location.reload()}>Reload</Button>}
    >
      {navigator.onLine
        ? "The panel's host does not answer. The page opens by itself when it does."
        : "This page opens by itself when the network is back."} What you typed is kept.
    </Empty>
  );
}
