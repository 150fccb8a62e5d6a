// Text with a little Markdown: paragraphs, headings, lists, tables, code and bold, and citation numbers as buttons.

import { el, t } from "./texts.js";

const BULLET = /^\s*([-*•]|\d+[.)、])\s+/;

export function rich(text, citations, open) {
  const seen = {}; // how often each number was met: its second marker opens what its second statement cites
  const cited = { citations, seen, open };
  return text.split(/```[^\n]*\n?/).flatMap((part, at) =>
    at % 2 ? [el("pre", { tabindex: "0" }, el("code", {}, part.trimEnd()))] : blocks(part.split("\n"), cited));
}

const kind = (line) => (!line.trim() ? "gap" : /^#{1,6}\s/.test(line) ? "heading" : /^\s*\|.*\|\s*$/.test(line) ? "table" : BULLET.test(line) ? (/^\s*\d/.test(line) ? "ol" : "ul") : "text");

// Lines of one kind that follow each other are one block.
function blocks(lines, cited) {
  const groups = [];
  for (const line of lines) {
    const what = kind(line);
    if (groups.at(-1)?.what === what && what !== "heading") groups.at(-1).lines.push(line);
    else groups.push({ what, lines: [line] });
  }
  return groups.filter(({ what }) => what !== "gap").map(({ what, lines: own }) => block(what, own, cited));
}

function block(what, lines, cited) {
  if (what === "heading") return el("h3", {}, ...inline(lines[0].replace(/^#+\s+/, ""), cited));
  if (what === "table") return table(lines, cited);
  if (what === "text") return el("p", {}, ...inline(lines.join("\n").trim(), cited));
  const first = what === "ol" ? parseInt(lines[0], 10) : 1;
  return el(what, first > 1 ? { start: first } : {}, ...lines.map((line) => el("li", {}, ...inline(line.replace(BULLET, ""), cited))));
}

function table(lines, cited) {
  const rows = lines.filter((line) => !/^[\s|:-]+$/.test(line)).map((line) => line.trim().slice(1, -1).split("|"));
  const row = (cells, tag) => el("tr", {}, ...cells.map((cell) => el(tag, {}, ...inline(cell.trim(), cited))));
  return el("div", { class: "wide-table", tabindex: "0" }, el("table", {}, el("thead", {}, row(rows[0] || [], "th")), el("tbody", {}, ...rows.slice(1).map((cells) => row(cells, "td")))));
}

function citationOf(n, { citations, seen }) {
  const mine = citations.filter((citation) => citation.n === n);
  seen[n] = (seen[n] ?? -1) + 1;
  return mine[Math.min(seen[n], mine.length - 1)];
}

function inline(text, cited) {
  return text.split(/(\[\d+(?:\s*[,，、]\s*\d+)*\]|【\d+】|`[^`\n]+`|\*\*[^*\n]+\*\*)/).flatMap((part) => {
    if (/^`/.test(part)) return [el("code", {}, part.slice(1, -1))];
    if (/^\*\*/.test(part)) return [el("strong", {}, part.slice(2, -2))];
    const numbers = /^[[【]\d/.test(part) ? part.match(/\d+/g).map(Number) : [];
    const found = numbers.map((n) => citationOf(n, cited)).filter(Boolean);
    if (!found.length) return [part];
    return found.map((citation) => el("button", { class: "cite", type: "button", title: citation.title, "aria-label": `${t("citation")} ${citation.n}: ${citation.title}`, onclick: () => cited.open(citation) }, String(citation.n)));
  });
}

// The beginning of a text, on one line; a Chinese character is as wide as two letters.
export function beginning(text, most = 160) {
  const letters = Array.from(text.replace(/\s+/g, " ").trim());
  let width = 0;
  const end = letters.findIndex((letter) => (width += /[\u2e80-\uffff]/.test(letter) ? 2 : 1) > most);
  return end < 0 ? letters.join("") : `${letters.slice(0, end).join("")}…`;
}
