import { assert, assertEquals, assertRejects } from "../../tests/support/assert.ts";
import fc from "fast-check";
import { parseEnv } from "node:util";
import {
  changeDeployedSecrets,
  changeSecrets,
  deployFunctions,
  forgetDeployed,
  watchDeployment,
} from "./deployment.ts";
import { join } from "../../lib/paths.ts";
import { UserError } from "../../lib/user_error.ts";
import { holds } from "../../tests/support/property.ts";

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "gatelink-deployment-" });
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("changeSecrets(): sets, replaces and removes secrets, and keeps everything else", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, ".env");
    const before = `# mine\nA=1\nexport B="two\nlines" # said\nAB=3\n`;
    await Deno.writeTextFile(path, before, { mode: 0o640 });
    await changeSecrets(folder, { B: "it's" });
    assertEquals(await Deno.readTextFile(path), `# mine\nA=1\nAB=3\nB="it's"\n`);
    await changeSecrets(folder, { A: null, C: "false" });
    assertEquals(await Deno.readTextFile(path), `# mine\nAB=3\nB="it's"\nC=false\n`);
    assertEquals((await Deno.stat(path)).mode! & 0o777, 0o640);
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), [".env"]);
  });
});

Deno.test("changeSecrets(): creates the file, readable by its owner only", async () => {
  await withFolder(async (folder) => {
    await changeSecrets(folder, { A: "1" });
    assertEquals(await Deno.readTextFile(join(folder, ".env")), "A=1\n");
    assertEquals((await Deno.stat(join(folder, ".env"))).mode! & 0o777, 0o600);
  });
});

Deno.test("changeSecrets(): any value reads back as it was set, or is refused", async () => {
  await withFolder(async (folder) => {
    const value = fc.oneof(fc.string(), fc.stringMatching(/^[ "'`#=$\\\na-z]*$/));
    await holds(
      fc.asyncProperty(fc.array(value, { minLength: 1, maxLength: 3 }), async (values) => {
        await Deno.remove(join(folder, ".env")).catch(() => {});
        const read: Record<string, string> = {};
        for (const [i, value] of values.entries()) {
          try {
            await changeSecrets(folder, { [`N${i % 2}`]: value });
            read[`N${i % 2}`] = value;
          } catch (error) {
            if (!(error instanceof RangeError)) throw error;
          }
        }
        const text = await Deno.readTextFile(join(folder, ".env")).catch(() => "");
        assertEquals({ ...parseEnv(text) }, read);
      }),
      { cases: 300 },
    );
  });
});

Deno.test("deployFunctions(): refuses a path outside the project", async () => {
  await withFolder(async (data) => {
    const outside = new Map([["../../elsewhere.ts", new Uint8Array()]]);
    await assertRejects(() => deployFunctions(data, outside), RangeError, "outside");
  });
});

Deno.test("watchDeployment(): reports changed secrets, deployed functions and invalid secrets", async () => {
  await withFolder(async (data) => {
    const functions = join(data, "own");
    await Deno.mkdir(functions);
    const told: unknown[] = [];
    let next = Promise.withResolvers<void>();
    const tell = (what: unknown) => (told.push(what), next.resolve());
    const watcher = watchDeployment({ data, own: { functions } }, tell, tell);
    const after = async (change: Promise<void>) => {
      next = Promise.withResolvers();
      await Promise.all([change, next.promise]);
      return told.at(-1) as { source: { functions: string }; secrets: Record<string, string> };
    };
    try {
      assertEquals(await after(changeSecrets(functions, { A: "1" })), {
        source: { functions },
        secrets: { A: "1" },
      });
      const files = new Map([["supabase/functions/hi/index.ts", new TextEncoder().encode("hi")]]);
      const { source, secrets } = await after(deployFunctions(data, files));
      assertEquals(secrets, { A: "1" });
      assertEquals(await Deno.readTextFile(join(source.functions, "hi", "index.ts")), "hi");
      const versioned = await after(changeDeployedSecrets({ data, functions }, { GATELINK_VERSION: "abc" }));
      assertEquals(versioned.secrets, { A: "1", GATELINK_VERSION: "abc" });
      assertEquals(
        await Deno.readTextFile(join(functions, ".env")),
        "A=1\n",
        "the checkout is of another version",
      );
      const reserved: unknown = await after(Deno.writeTextFile(join(functions, ".env"), "SUPABASE_URL=x\n"));
      assert(reserved instanceof UserError);
      await Deno.remove(join(functions, ".env"));
      const again = await after(forgetDeployed(data));
      assertEquals([again.source, again.secrets], [{ functions }, {}]);
      assertEquals([...Deno.readDirSync(data)].map(({ name }) => name), ["own"]);
    } finally {
      watcher.stop();
    }
  });
});
