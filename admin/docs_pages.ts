/** Renders docs/ as pages beside the panel: the documentation of the version that is installed, for people without a checkout. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { Marked } from "marked";

/** The id of a heading, as GitHub makes it: links in the documents go by that. */
export const slugOf = (heading: string): string =>
  heading.trim().toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, "").replace(/\s/g, "-");

/** The pages, by path below docs/: `routing.html`. Links lead to pages and images that exist; others are plain text. */
export function docsPages(folder: string): Map<string, string | Uint8Array> {
  const listed: string[] = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const files = listed.map((file) => file.replaceAll("\\", "/"));
  const isPage = (path: string) => path.endsWith(".md") && files.includes(path);
  const made = new Map<string, string | Uint8Array>();
  for (const file of files) {
    if (/\.(png|svg|yaml)$/.test(file)) made.set(file, readFileSync(join(folder, file)));
    if (!isPage(file)) continue;
    const source = readFileSync(join(folder, file), "utf8");
    const marked = new Marked({
      renderer: {
        heading({ tokens, depth, text }) {
          return `<h${depth} id="${slugOf(text.replace(/[`*]/g, ""))}">${
            this.parser.parseInline(tokens)
          }</h${depth}>\n`;
        },
        // What scrolls sideways is reached by the keyboard too.
        code: ({ text }) => `<pre tabindex="0"><code>${escaped(text)}</code></pre>\n`,
        link({ href, tokens }) {
          const words = this.parser.parseInline(tokens);
          if (/^(https?:|#)/.test(href)) return `<a href="${escaped(href)}">${words}</a>`;
          const [path, heading] = href.split("#");
          const target = join(dirname(file), path).replaceAll("\\", "/");
          if (!files.includes(target)) return words;
          const to = path.replace(/\.md$/, ".html") + (heading === undefined ? "" : `#${heading}`);
          return `<a href="${escaped(to)}">${words}</a>`;
        },
        table(token) {
          const { header, rows } = token;
          const row = (cells: typeof header, tag: string) =>
            `<tr>${
              cells.map(({ tokens }) => `<${tag}>${this.parser.parseInline(tokens)}</${tag}>`).join("")
            }</tr>`;
          return `<div class="wide" tabindex="0"><table><thead>${row(header, "th")}</thead><tbody>${
            rows.map((cells) => row(cells, "td")).join("")
          }</tbody></table></div>\n`;
        },
      },
    });
    const title = /^# (.+)$/m.exec(source)?.[1] ?? file;
    const root = relative(dirname(file), ".") || ".";
    made.set(file.replace(/\.md$/, ".html"), page(title, root, marked.parse(source, { async: false })));
  }
  made.set("index.html", page("Documentation", ".", contents(files.filter((file) => isPage(file)), folder)));
  return made;
}

function contents(pages: string[], folder: string): string {
  const titled = pages.filter((file) => !file.includes("/")).map((file) => ({
    file,
    title: /^# (.+)$/m.exec(readFileSync(join(folder, file), "utf8"))?.[1] ?? file,
  })).toSorted((one, other) => one.title.localeCompare(other.title));
  return `<h1>Documentation</h1>\n<ul>${
    titled.map(({ file, title }) =>
      `<li><a href="${file.replace(/\.md$/, ".html")}">${escaped(title)}</a></li>`
    )
      .join("\n")
  }</ul>`;
}

const escaped = (text: string): string => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);

const page = (title: string, root: string, body: string): string =>
  `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escaped(title)} · Gatelink</title>
<link rel="icon" href="${root}/../icon.svg">
<style>
body { max-width: 46rem; margin: 0 auto; padding: 1rem 1rem 4rem; font: 16px/1.6 system-ui, sans-serif; overflow-wrap: anywhere }
pre { padding: .8rem; overflow-x: auto; background: light-dark(#f1f3f5, #25262b); border-radius: 6px }
code { font: .9em ui-monospace, Menlo, Consolas, monospace }
.wide { overflow-x: auto }
table { border-collapse: collapse }
th, td { padding: .4rem .6rem; border: 1px solid light-dark(#ced4da, #495057); text-align: left; vertical-align: top; overflow-wrap: normal }
a { color: light-dark(#066649, #38d9a9) }
img { max-width: 100% }
</style>
</head>
<body>
<nav aria-label="Documentation"><a href="${root}/index.html">Documentation</a></nav>
<main>
${body}
</main>
</body>
</html>
`;
