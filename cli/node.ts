/** `gatelink …` on Node: the entry of the package. */
import { nodeIo } from "./core/io_node.ts";
import { main } from "./gatelink.ts";

/** Runs the command line in this process's environment and gives the exit code. */
export function gatelink(args: string[]): Promise<number> {
  return main(args, nodeIo());
}
