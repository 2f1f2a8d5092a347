/** Step: the functions' secrets. */
import { createHash, randomBytes } from "node:crypto";
import { graph } from "./graph.ts";
import type { Wanted } from "./inputs.ts";
import type { Target } from "./target.ts";
import type { WalkStep } from "./walk.ts";

/** Meta's secrets that the functions need. */
export const WHATSAPP: readonly Wanted[] = [
  {
    name: "WHATSAPP_APP_SECRET",
    about: "app secret: App Dashboard > App settings > Basic",
    wrong: (value) => /^[0-9a-f]{32}(?:,[0-9a-f]{32})*$/i.test(value) ? undefined : "it has 32 hex digits",
  },
  {
    name: "WHATSAPP_ACCESS_TOKEN",
    about: "permanent token of a system user: Business settings > System users",
    wrong: (value) => /^\S{20,}$/.test(value) ? undefined : "it is too short, or contains a space",
  },
];

/** Nobody needs to know it: Gatelink tells Meta. */
export const VERIFY_TOKEN = "WHATSAPP_VERIFY_TOKEN";

/** SHA-256 of the value of each secret in the project, in hex. */
async function listed({ project }: Target): Promise<Map<string, string>> {
  const { secrets } = await project.json<{ secrets: { name: string; value: string }[] }>(["secrets", "list"]);
  return new Map(secrets.map(({ name, value }) => [name, value]));
}

/** Sets secrets of the project. They are in a file that only this user can read for as long as the CLI reads it. */
export async function setSecrets(
  { project }: Target,
  values: Readonly<Record<string, string>>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "gatelink-secrets-" });
  try {
    const file = `${folder}/.env`;
    const text = Object.entries(values).map(([name, value]) => `${name}=${JSON.stringify(value)}\n`).join("");
    await Deno.writeTextFile(file, text, { mode: 0o600 });
    await project.supabase(["secrets", "set", "--env-file", file]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Sets the secrets that are missing, and those that the environment gives another value. Meta is asked first. */
export function secrets(target: Target): WalkStep {
  const { inputs } = target;

  async function open(): Promise<string[]> {
    const has = await listed(target);
    return [...WHATSAPP.map(({ name }) => name), VERIFY_TOKEN].filter((name) => {
      const digest = has.get(name), value = inputs.known(name);
      return digest === undefined || value !== undefined && digest !== sha256(value);
    });
  }

  return {
    name: "secrets",
    what: "set the functions' secrets",
    async look() {
      const names = await open();
      return names.length === 0
        ? { done: true, found: [...WHATSAPP.map(({ name }) => name), VERIFY_TOKEN].join(", ") }
        : { done: false, lacks: `${names.join(", ")} to be set` };
    },
    async act() {
      const names = await open();
      const values: Record<string, string> = {};
      for (const wanted of WHATSAPP) {
        if (names.includes(wanted.name)) values[wanted.name] = await inputs.value(wanted);
      }
      const token = values.WHATSAPP_ACCESS_TOKEN;
      if (token !== undefined) {
        const appSecret = inputs.known("WHATSAPP_APP_SECRET")?.split(",")[0];
        await graph(target).account({ token, appSecret });
      }
      if (names.includes(VERIFY_TOKEN)) {
        values[VERIFY_TOKEN] = inputs.known(VERIFY_TOKEN) ?? randomBytes(24).toString("hex");
        inputs.keep(VERIFY_TOKEN, values[VERIFY_TOKEN]);
      }
      await setSecrets(target, values);
    },
  };
}

const sha256 = (value: string) => createHash("sha256").update(value).digest("hex");
