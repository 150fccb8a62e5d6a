// Markdown of a model, shown: marked reads it, and each of its tokens becomes an element whose content is set as text. No
// HTML is ever made of it, so there is nothing to sanitise. Links and pictures stay as they were written: an address that a
// document slipped into an answer shall not be one click away.

import { Marked } from "./marked.js";
import { place } from "./places.js";
import { el, t } from "./texts.js";

// Also what is indented by chance, and single stars: 2*3*4 is a product.
const AS_WRITTEN = ["html", "tag", "link", "reflink", "autolink", "url", "def", "code", "emStrong"];
const TAGS = { paragraph: "p", blockquote: "blockquote", heading: "h2", strong: "strong", del: "del", list_item: "li", br: "br", hr: "hr" };
const CITED = /^(?:\[\d+(?:\s*[,，、]\s*\d+)*\]|【\d+】)/;
const BOLD = /^\*\*(?=\S)([^*\n]+)\*\*/; // also before a Chinese letter, where CommonMark sees no end: **注意：**请
const AFTER_ROW = /\|[ \t]*((?:\[\d+\]|【\d+】)+)[ \t]*$/gm; // a citation behind a row of a table belongs into its last cell

const TOO_DEEP = /^(?:[ \t]*(?:>|[-*+][ \t]|\d+[.)][ \t])){20}/m; // nested deeper than anybody reads

const markdown = new Marked({
  breaks: true,
  tokenizer: Object.fromEntries(AS_WRITTEN.map((name) => [name, () => undefined])),
  extensions: [
    inline("cite", (text) => text.search(/[[【]\d/), CITED, ([raw]) => ({ raw, numbers: raw.match(/\d+/g).map(Number) })),
    inline("strong", (text) => text.indexOf("**"), BOLD, ([raw, inner], lexer) => ({ raw, tokens: lexer.inlineTokens(inner) })),
  ],
});

function inline(name, start, pattern, token) {
  return { name, level: "inline", start, tokenizer(text) {
    const found = pattern.exec(text);
    return found ? { type: name, ...token(found, this.lexer) } : undefined;
  } };
}

// The elements of a text, its citation numbers as buttons.
export function rich(text, citations, open) {
  const seen = {}; // how often each number was met: its second marker opens what its second statement cites
  if (TOO_DEEP.test(text)) return [el("p", {}, text)];
  return nodes(markdown.lexer(text.replace(AFTER_ROW, " $1 |")), { citations, seen, open });
}

const nodes = (tokens, cited) => tokens.flatMap((token) => shown(token, cited));

function shown(token, cited) {
  if (token.type === "space") return [];
  if (token.type === "code") return el("pre", { tabindex: "0" }, el("code", {}, token.text));
  if (token.type === "codespan") return el("code", {}, token.text);
  if (token.type === "list") return el(token.ordered ? "ol" : "ul", token.start > 1 ? { start: token.start } : {}, ...nodes(token.items, cited));
  if (token.type === "table") return table(token, cited);
  if (token.type === "cite") return buttons(token, cited);
  const inner = token.tokens ? nodes(token.tokens, cited) : [];
  if (token.type in TAGS) return el(TAGS[token.type], {}, ...inner);
  return token.tokens ? inner : [token.text ?? token.raw];
}

function table({ header, rows }, cited) {
  const row = (cells, tag) => el("tr", {}, ...cells.map((cell) => el(tag, {}, ...nodes(cell.tokens, cited))));
  return el("div", { class: "wide-table", tabindex: "0" }, el("table", {}, el("thead", {}, row(header, "th")), el("tbody", {}, ...rows.map((cells) => row(cells, "td")))));
}

function buttons({ raw, numbers }, cited) {
  const found = numbers.map((n) => citationOf(n, cited)).filter(Boolean);
  if (!found.length) return [raw];
  return found.map((citation) => el("button", { class: "cite", type: "button", title: place(citation), "aria-label": `${t("citation")} ${citation.n}: ${place(citation)}`, onclick: () => cited.open(citation) }, String(citation.n)));
}

function citationOf(n, { citations, seen }) {
  const mine = citations.filter((citation) => citation.n === n);
  seen[n] = (seen[n] ?? -1) + 1;
  return mine[Math.min(seen[n], mine.length - 1)];
}
