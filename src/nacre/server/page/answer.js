// One question and its answer on the page.

import { post } from "./api.js";
import { el, t } from "./texts.js";

// Text with a little Markdown: paragraphs, lists, code and bold, and citation numbers as buttons.
export function rich(text, citations, open) {
  const blocks = [];
  const seen = {}; // how often each number was met: its second marker opens what its second statement cites
  text.split(/```[^\n]*\n?/).forEach((part, at) => {
    if (at % 2) return blocks.push(el("pre", {}, el("code", {}, part.trimEnd())));
    for (const paragraph of part.split(/\n{2,}/)) if (paragraph.trim()) blocks.push(block(paragraph, { citations, seen, open }));
  });
  return blocks;
}

function block(text, cited) {
  const lines = text.trim().split("\n");
  if (!lines.every((line) => /^\s*([-*•]|\d+\.)\s/.test(line))) return el("p", {}, ...inline(text.trim(), cited));
  const items = lines.map((line) => el("li", {}, ...inline(line.replace(/^\s*([-*•]|\d+\.)\s+/, ""), cited)));
  return el(/^\s*\d/.test(lines[0]) ? "ol" : "ul", {}, ...items);
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

const place = (citation) => [citation.title, ...(citation.heading || []).filter((part) => part !== citation.title)].filter(Boolean).join(" › ") + (citation.page ? `, ${t("page")} ${citation.page}` : "");

function sources(citations, open) {
  const first = citations.filter((one, at) => citations.findIndex((other) => other.n === one.n) === at);
  const rows = first.map((citation) =>
    el("li", {}, el("button", { class: "chip", type: "button", onclick: () => open(citation) }, el("b", {}, String(citation.n)), el("span", {}, place(citation)), el("q", {}, citation.quote.replace(/\s+/g, " ").slice(0, 160)))));
  return el("ul", { class: "chips", "aria-label": t("sources") }, ...rows);
}

function folded(name, text, opened = false) {
  return el("details", { class: "steps", open: opened }, el("summary", {}, t(name)), el("pre", { tabindex: "0" }, text));
}

function thumbs(message) {
  const thanks = el("span", { role: "status" });
  const thumb = (verdict, label) =>
    el("button", { class: "icon small", "data-verdict": verdict, type: "button", "aria-label": t(label), title: t(label), onclick: async (event) => {
      event.currentTarget.classList.add("on");
      await post("/v1/feedback", { verdict, question: message.question, answer: message.content });
      thanks.textContent = t("thanks");
    } }, el("i", { class: `glyph ${verdict}` }));
  const copy = el("button", { class: "icon small", type: "button", "aria-label": t("copy"), title: t("copy"), onclick: async () => {
    await navigator.clipboard.writeText(message.content);
    thanks.textContent = t("copied");
  } }, el("i", { class: "glyph copy" }));
  return el("div", { class: "thumbs" }, thumb("up", "good"), thumb("down", "bad"), copy, thanks);
}

// Draw a message into its node; called again for each piece that arrives.
export function draw(node, message, open) {
  if (message.role === "user") return node.replaceChildren(el("p", {}, message.content));
  const own = message.nacre || {};
  const citations = own.citations || [];
  const wasOpen = node.querySelector("details.steps")?.open;
  const parts = [];
  if (message.reasoning) parts.push(folded("steps", message.reasoning, wasOpen ?? !message.done));
  if (own.program) parts.push(folded("program", own.program, true));
  if (own.value !== undefined && own.program) parts.push(el("p", { class: "value" }, el("b", {}, t("result")), ` ${JSON.stringify(own.value)}`));
  if (own.abstained) parts.push(el("p", { class: "badge" }, t("abstained")));
  if (message.content) parts.push(...rich(message.content, citations, open));
  else if (!message.done) parts.push(el("p", { class: "quiet pulse" }, t("thinking")));
  if (message.error) parts.push(el("p", { class: "error", role: "alert" }, message.error));
  if (citations.length) parts.push(sources(citations, open));
  if (message.done && message.content) parts.push(thumbs(message));
  return node.replaceChildren(...parts);
}
