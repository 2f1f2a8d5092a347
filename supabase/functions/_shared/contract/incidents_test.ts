import { assert, assertEquals } from "../../../../tests/support/assert.ts";
import fc from "fast-check";
import { holds } from "../../../../tests/support/property.ts";
import {
  fillTemplate,
  kindFacts,
  KINDS,
  PLACEHOLDERS,
  publicText,
  recommended,
  SEVERITIES,
  STATUSES,
  statusTemplate,
  templateFaults,
  TEMPLATES,
  templateValues,
  wayBackCommands,
} from "./incidents.ts";

const INCIDENT = {
  number: 7,
  title: "Checkout fails",
  kind: "security",
  severity: "P0",
  status: "investigating",
  flag_key: "checkout.enabled",
  component: null,
  opened_at: "2026-11-29T03:04:05Z",
};

/** The manual's matrix, word for word in its figures. */
const MANUAL: [kind: string, severity: string, levels: number[], within: string][] = [
  ["error_rate", "P0", [1], "1 min"],
  ["security", "P0", [1, 3], "5 min"],
  ["performance", "P1", [1], "1 min"],
  ["bug", "P2", [], "next day"],
  ["confusion", "P2", [], "next sprint"],
];

Deno.test("KINDS: equals the manual's decision matrix", () => {
  for (const [kind, severity, levels, within] of MANUAL) {
    const facts = kindFacts(kind);
    assertEquals([facts.kind, facts.severity, [...facts.wayBack], facts.within], [
      kind,
      severity,
      levels,
      within,
    ]);
  }
  for (const { wayBack, instead, severity } of KINDS) {
    assert((wayBack.length === 0) === (instead !== undefined), "back, or forward");
    assert(SEVERITIES.some((known) => known.severity === severity));
  }
  assertEquals(kindFacts("of a later version").kind, "other");
});

Deno.test("wayBackCommands(): gives the exact commands for the affected flag", () => {
  assertEquals(wayBackCommands(INCIDENT), [
    'gatelink rollback 1 checkout.enabled --why "incident 7"',
    'gatelink rollback 3 HEAD --why "incident 7"',
  ]);
  assertEquals(wayBackCommands({ ...INCIDENT, kind: "bug" }), []);
  assertEquals(recommended({ ...INCIDENT, kind: "bug" }), "hotfix in the next deployment (within next day)");
});

Deno.test("TEMPLATES: each is valid, and each status has a public one", () => {
  for (const [name, { text }] of Object.entries(TEMPLATES)) {
    assertEquals(templateFaults(name, text), [], name);
  }
  for (const status of STATUSES) assertEquals(TEMPLATES[statusTemplate(status)].audience, "public");
});

Deno.test("templateFaults(): finds an unknown placeholder when the text is written", () => {
  for (
    const text of ["", " ", "{{titel}}", "{{ title }}", "{{title", "title}}", "x".repeat(2001)]
  ) {
    assert(templateFaults("incident_channel", text).length > 0, text);
  }
  assertEquals(templateFaults("escalation", "{{role}}: {{way_back}}"), []);
  assert(templateFaults("affected_users", "{{way_back}}").length > 0, "the public reads no commands");
  assert(templateFaults("unheard_of", "{{title}}").length > 0);
});

Deno.test("fillTemplate(): a valid text has no placeholder left, whatever the incident contains", async () => {
  const value = fc.string({ maxLength: 20 });
  await holds(fc.asyncProperty(
    fc.record({ title: value, text: value, component: fc.option(value), flag: fc.option(value) }),
    fc.array(fc.constantFrom(...PLACEHOLDERS), { minLength: 1, maxLength: 6 }),
    // deno-lint-ignore require-await
    async ({ title, text, component, flag }, names) => {
      const template = names.map((name) => `{{${name}}}`).join(" ");
      const values = templateValues({ ...INCIDENT, title, component, flag_key: flag }, { text });
      const filled = fillTemplate(template, values);
      const holes = Object.values(values).join("").match(/\{\{/g)?.length ?? 0;
      if (holes === 0) assert(!/\{\{[a-z_]+\}\}/.test(filled), filled);
    },
  ));
  assertEquals(
    fillTemplate("{{title}}\n{{text}}\nBack: {{way_back}}", { title: "a", way_back: "b" }),
    "a\nBack: b",
  );
});

Deno.test("publicText(): prefers the update's own text, then the team's template, then the default", () => {
  assertEquals(publicText({ status: "resolved", text: "Over." }, "P0", "{{status}}"), "Over.");
  assertEquals(publicText({ status: "resolved", text: null }, "P0", "It is {{status}}."), "It is resolved.");
  assertEquals(
    publicText({ status: "investigating", text: null }, "P0"),
    "We are looking into it. The next update follows within 30 minutes.",
  );
});
