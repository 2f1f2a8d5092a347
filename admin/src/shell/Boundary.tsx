/** Keeps the navigation working if a page throws, or cannot be loaded because a new version was deployed. */
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

  override render(): ReactNode {
    if (!this.state.error) return this.props.children;
    return (
      <Empty
        icon="warn"
        title="Something went wrong on this page"
        action={<Button onClick={() => location.reload()}>Reload the panel</Button>}
      >
        {this.state.error.message}
      </Empty>
    );
  }
}
