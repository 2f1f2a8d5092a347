/**
 * How the command line is bundled: for Node 20 and Deno, with its packages, without what needs the checkout.
 * Used by pack.ts. Without Vite's types, because they include Node's, which differ from Deno's.
 */

/** Modules that `fromCheckout` loads. They stay names in the bundle, which never loads them. */
const OF_CHECKOUT =
  /\/(lib\/flag_places|commands\/(drill\/run|gates\/run|traffic\/(deploy|retire)|rollback\/(flag|environment|code|database)|setup\/run(_upgrade)?))\.ts$/;

export default {
  publicDir: false,
  ssr: { noExternal: true, target: "node" },
  build: {
    ssr: "cli/node.ts",
    target: "node20",
    emptyOutDir: true,
    // The licences of the packages that are in it ask to be given with it.
    license: { fileName: "LICENSES.md" },
    rolldownOptions: {
      external: (id: string, _from: string | undefined, resolved: boolean) =>
        id.startsWith("node:") || (resolved && OF_CHECKOUT.test(id)),
      output: { entryFileNames: "[name].js", chunkFileNames: "[name]-[hash].js" },
    },
  },
};
