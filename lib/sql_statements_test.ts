import { assertEquals } from "../tests/support/assert.ts";
import { sqlStatements } from "./sql_statements.ts";

const CASES: [name: string, text: string, statements: string[]][] = [
  ["nothing", " \n ", []],
  ["trims and drops the semicolon", "\nselect 1;\n\nselect 2 ;", ["select 1", "select 2"]],
  ["the last semicolon may be missing", "select 1; select 2", ["select 1", "select 2"]],
  ["empty statements are none", ";; select 1;;", ["select 1"]],
  ["a comment stays with what follows", "-- a; b\nselect 1;", ["-- a; b\nselect 1"]],
  ["a comment at the end is kept", "select 1; -- a; b", ["select 1", "-- a; b"]],
  ["blocks nest", "/* a; /* b; */ c; */ select 1; select 2", [
    "/* a; /* b; */ c; */ select 1",
    "select 2",
  ]],
  ["quoted text", "select 'a;''b;'; select \"c;d\"", ["select 'a;''b;'", 'select "c;d"']],
  ["a backslash means nothing in plain quotes", "select '\\'; select 2", ["select '\\'", "select 2"]],
  ["a backslash escapes in E quotes", "select E'\\';'; select 2", ["select E'\\';'", "select 2"]],
  ["dollar quotes", "do $$ begin a; end $$; select $x$ $$; $x$;", [
    "do $$ begin a; end $$",
    "select $x$ $$; $x$",
  ]],
  ["a parameter is no dollar quote", "prepare a as select $1; select 2", [
    "prepare a as select $1",
    "select 2",
  ]],
  ["a dollar inside a name is no quote", "select a$b$ ; select 2", ["select a$b$", "select 2"]],
  ["a rule with several actions", "create rule r as on update to t do (a; b); select 1", [
    "create rule r as on update to t do (a; b)",
    "select 1",
  ]],
  [
    "an atomic body with a case",
    "create function f() returns int begin ATOMIC select case when true then 1 end; select 2; END; select 3",
    [
      "create function f() returns int begin ATOMIC select case when true then 1 end; select 2; END",
      "select 3",
    ],
  ],
];

for (const [name, text, statements] of CASES) {
  Deno.test(`sqlStatements: ${name}`, () => assertEquals(sqlStatements(text), statements));
}
