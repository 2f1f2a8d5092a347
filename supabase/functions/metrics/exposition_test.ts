import { assertEquals } from "../../../tests/support/assert.ts";
import { render } from "./exposition.ts";

Deno.test("render(): help, type and samples, labels escaped", () => {
  assertEquals(
    render([{
      name: "a_total",
      type: "counter",
      help: "Two\nlines, one \\.",
      samples: [[{}, 1], [{ b: 'x"y\\z\n' }, 2.5], [{ b: "c", d: "e" }, Infinity]],
    }, { name: "empty", type: "gauge", help: "Nothing yet.", samples: [] }]),
    `# HELP a_total Two\\nlines, one \\\\.
# TYPE a_total counter
a_total 1
a_total{b="x\\"y\\\\z\\n"} 2.5
a_total{b="c",d="e"} +Inf
# HELP empty Nothing yet.
# TYPE empty gauge
`,
  );
});

Deno.test("render(): a histogram's buckets are cumulative, and the rest is in +Inf", () => {
  const buckets = { bounds: [0.1, 1], counts: [2, 3, 4], sum: 12.5 };
  assertEquals(
    render([{ name: "h_seconds", type: "histogram", help: "H.", samples: [[{ a: "b" }, buckets]] }]).split(
      "\n",
    ),
    [
      "# HELP h_seconds H.",
      "# TYPE h_seconds histogram",
      'h_seconds_bucket{a="b",le="0.1"} 2',
      'h_seconds_bucket{a="b",le="1"} 5',
      'h_seconds_bucket{a="b",le="+Inf"} 9',
      'h_seconds_sum{a="b"} 12.5',
      'h_seconds_count{a="b"} 9',
      "",
    ],
  );
});
