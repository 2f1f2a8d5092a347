/** Keeps the navigation alive when a page breaks, or can't be loaded because a new version of the panel was put up. */
import { Button } from "@mantine/core";
import { Component, type ReactNode } from "react";
import { Empty } from "../ui/states.tsx";

export class Boundary extends Component<{ children: ReactNode }, { error?: Error }> {
  override state: { error?: Error } = {};

  static getDerivedStateFromError(error: Error): { error: Error } {
    return { error };
  }

  override render(): ReactNode {
    if (!this.state.error) return this.props.children;
    return (
      <Empty
        icon="warn"
        title="This page broke"
        action={<Button onClick={() => location.reload()}>Load the panel anew</Button>}
      >
        {this.state.error.message}
      </Empty>
    );
  }
}
