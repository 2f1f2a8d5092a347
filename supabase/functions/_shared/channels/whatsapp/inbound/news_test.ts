import { assert, assertEquals } from "../../../../../../tests/support/assert.ts";
import fc from "fast-check";
import { holds } from "../../../../../../tests/support/property.ts";
import { newsOf } from "./news.ts";

const WABA = "240011223344556";

Deno.test("newsOf(): what a change makes of templates, numbers and accounts", () => {
  const template = {
    message_template_id: 7,
    message_template_name: "parcel",
    message_template_language: "en",
  };
  const cases: [string, Record<string, unknown>, Record<string, unknown>][] = [
    ["message_template_status_update", { event: "PAUSED", ...template, reason: "NONE" }, {
      kind: "template.paused",
      status: "paused",
    }],
    ["message_template_status_update", { event: "REINSTATED", ...template }, {
      kind: "template.approved",
      status: "approved",
    }],
    ["message_template_status_update", { event: "REJECTED", ...template, reason: "INVALID_FORMAT" }, {
      kind: "template.rejected",
      reason: "INVALID_FORMAT",
    }],
    ["message_template_status_update", { event: "FLAGGED", ...template }, {
      kind: "template.flagged",
      status: undefined,
    }],
    ["message_template_status_update", { event: "IN_APPEAL", ...template }, {
      kind: undefined,
      status: "in_appeal",
    }],
    ["message_template_quality_update", { new_quality_score: "RED", ...template }, { quality: "red" }],
    ["template_category_update", { ...template, previous_category: "UTILITY", new_category: "MARKETING" }, {
      kind: "template.category_changed",
      category: "MARKETING",
    }],
    ["template_category_update", { ...template, new_category: "UTILITY", correct_category: "MARKETING" }, {
      kind: "template.category_announced",
      category: "UTILITY",
    }],
    ["phone_number_quality_update", {
      display_phone_number: "+1 555-1",
      event: "FLAGGED",
      current_limit: "TIER_1K",
    }, {
      address: "15551",
      quality: "red",
      limit: "TIER_1K",
    }],
    ["phone_number_quality_update", {
      display_phone_number: "15551",
      event: "UPGRADE",
      current_limit: "TIER_10K",
    }, {
      kind: "number.limit",
      quality: undefined,
      limit: "TIER_10K",
    }],
    ["account_update", { event: "DISABLED_UPDATE", ban_info: { waba_ban_state: "DISABLE" } }, {
      kind: "account.banned",
      state: "banned",
    }],
    ["account_update", { event: "DISABLED_UPDATE", ban_info: { waba_ban_state: "REINSTATE" } }, {
      kind: "account.reinstated",
      state: "active",
    }],
    ["account_update", {
      event: "ACCOUNT_RESTRICTION",
      restriction_info: [
        { restriction_type: "SHORT", expiration: 1795000000 },
        { restriction_type: "LONG", expiration: 1796000000 },
      ],
    }, { state: "restricted", why: "LONG", until: "2026-11-30T00:53:20.000Z" }],
    ["account_update", { event: "PARTNER_ADDED" }, {}],
  ];
  for (const [field, value, expected] of cases) {
    const news = newsOf(field, value, WABA) as unknown as Record<string, unknown> | undefined;
    for (const [name, wanted] of Object.entries(expected)) {
      assertEquals(news?.[name], wanted, `${field} ${name}`);
    }
    if (Object.keys(expected).length === 0) assertEquals(news, undefined);
  }
});

Deno.test("newsOf(): never throws, and names an account or says nothing", () => {
  const fields = fc.constantFrom(
    "account_update",
    "template_category_update",
    "phone_number_quality_update",
    "toString",
    "messages",
  );
  holds(fc.property(fields, fc.jsonValue(), fc.constantFrom("", WABA), (field, value, account) => {
    const news = newsOf(field, value, account);
    assert(news === undefined || news.account === account && account !== "");
  }));
});
