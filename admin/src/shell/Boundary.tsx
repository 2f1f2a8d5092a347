/** Keeps the navigation working if a page throws, or cannot be loaded: without a network, or after a new version. */
import { Button } from "@mantine/core";
import { Component, type ReactNode } from "react";
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

  /**
   * A browser never asks again for a module that it could not load, so only a new document helps. The broken page holds
   * nothing that could be lost.
   */
  readonly #online = () => {
    if (this.state.error) location.reload();
  };

  override componentDidMount(): void {
    addEventListener("online", this.#online);
  }

  override componentWillUnmount(): void {
    removeEventListener("online", this.#online);
  }

  override render(): ReactNode {
    const { error } = this.state;
    if (!error) return this.props.children;
    if (!navigator.onLine) {
      return (
        <Empty icon="warn" title="There is no network">
          This page opens by itself when the network is back.
        </Empty>
      );
    }
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
