// One question and its answer on the page.

import { post } from "./api.js";
import { el, t } from "./texts.js";

// Text with a little Markdown: paragraphs, lists, code and bold, and citation numbers as buttons.
export function rich(text, citations, open) {
  const blocks = [];
  text.split(/```[^\n]*\n?/).forEach((part, at) => {
    if (at % 2) return blocks.push(el("pre", {}, el("code", {}, part.trimEnd())));
    for (const paragraph of part.split(/\n{2,}/)) if (paragraph.trim()) blocks.push(block(paragraph, citations, open));
  });
  return blocks;
}

function block(text, citations, open) {
  const lines = text.trim().split("\n");
  if (!lines.every((line) => /^\s*([-*•]|\d+\.)\s/.test(line))) return el("p", {}, ...inline(text.trim(), citations, open));
  const items = lines.map((line) => el("li", {}, ...inline(line.replace(/^\s*([-*•]|\d+\.)\s+/, ""), citations, open)));
  return el(/^\s*\d/.test(lines[0]) ? "ol" : "ul", {}, ...items);
}

function inline(text, citations, open) {
  return text.split(/(\[\d+(?:\s*[,，、]\s*\d+)*\]|【\d+】|`[^`\n]+`|\*\*[^*\n]+\*\*)/).flatMap((part) => {
    if (/^`/.test(part)) return [el("code", {}, part.slice(1, -1))];
    if (/^\*\*/.test(part)) return [el("strong", {}, part.slice(2, -2))];
    const numbers = /^[[【]\d/.test(part) ? part.match(/\d+/g).map(Number) : [];
    const cited = numbers.map((n) => citations.find((citation) => citation.n === n)).filter(Boolean);
    if (!cited.length) return [part];
    return cited.map((citation) => el("button", { class: "cite", type: "button", title: citation.title, "aria-label": `${t("citation")} ${citation.n}: ${citation.title}`, onclick: () => open(citation) }, String(citation.n)));
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
  const thumb = (verdict, label, sign) =>
    el("button", { class: "icon small", type: "button", "aria-label": t(label), title: t(label), onclick: async (event) => {
      await post("/v1/feedback", { verdict, question: message.question, answer: message.content });
      event.target.classList.add("on");
      thanks.textContent = t("thanks");
    } }, sign);
  const copy = el("button", { class: "icon small", type: "button", "aria-label": t("copy"), title: t("copy"), onclick: async () => {
    await navigator.clipboard.writeText(message.content);
    thanks.textContent = t("copied");
  } }, "⧉");
  return el("div", { class: "thumbs" }, thumb("up", "good", "👍"), thumb("down", "bad", "👎"), copy, thanks);
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
