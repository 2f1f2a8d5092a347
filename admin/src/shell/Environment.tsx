/** Which environment the panel works on, in a word and a colour: nobody takes production for staging. */
import { useEffect } from "react";
import { useEnvironment } from "../data/environment.ts";
import { nameEnvironment } from "../ui/title.ts";
import classes from "./Environment.module.css";

/** It changes with a deployment alone. */
const EVERY_MS = 60_000;

const KINDS: Readonly<Record<string, string>> = {
  production: "production",
  prod: "production",
  staging: "staging",
  local: "local",
  development: "local",
  dev: "local",
};

/** The environment's name, and a line of its colour along the top of the window. Nothing while it is not known. */
export function Environment() {
  const { data } = useEnvironment(EVERY_MS);
  const name = data?.environment;
  useEffect(() => nameEnvironment(name), [name]);
  if (name === undefined) return null;
  const kind = KINDS[name.toLowerCase()] ?? "other";
  return (
    <>
      <div className={classes.line} data-kind={kind} aria-hidden="true" />
      <span className={classes.word} data-kind={kind} title="Environment of this project">{name}</span>
    </>
  );
}
