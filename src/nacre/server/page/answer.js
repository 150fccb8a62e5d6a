// One question and its answer on the page.

import { post } from "./api.js";
import { rich } from "./markdown.js";
import { beginning, place } from "./places.js";
import { el, t } from "./texts.js";

function sources(citations, open) {
  const first = citations.filter((one, at) => citations.findIndex((other) => other.n === one.n) === at);
  const rows = first.map((citation) =>
    el("li", {}, el("button", { class: "chip", type: "button", onclick: () => open(citation) }, el("b", {}, String(citation.n)), el("span", {}, place(citation)), el("q", {}, beginning(citation.quote)))));
  return el("ul", { class: "chips ruled", "aria-label": t("sources") }, ...rows);
}

function suggested(questions, ask) {
  const rows = questions.map((question) => el("li", {}, el("button", { class: "chip", type: "button", onclick: () => ask(question) }, question)));
  return el("ul", { class: "chips", "aria-label": t("suggestions") }, ...rows);
}

function folded(name, text, opened = false) {
  return el("details", { class: "steps", open: opened }, el("summary", {}, t(name)), el("pre", { tabindex: "0" }, text));
}

const small = (name, label, attributes) => el("button", { class: "icon small", type: "button", "aria-label": t(label), title: t(label), ...attributes }, el("i", { class: `glyph ${name}` }));

function thumbs(message, openTrace) {
  const told = el("span", { role: "status" });
  const tell = (work, done, failed) => work.then(() => done, (error) => failed || error.message).then((text) => (told.textContent = text));
  const thumb = (verdict, label) => small(verdict, label, { "data-verdict": verdict, onclick: ({ currentTarget }) => {
    const own = message.nacre || {};
    const sources = (own.citations || []).slice(0, 100).map(({ uri, start, end }) => ({ uri, start, end }));
    const kept = post("/v1/feedback", { verdict, question: message.question, answer: message.content, request: message.request || "", sources, abstained: Boolean(own.abstained) });
    tell(kept.then(() => currentTarget.classList.add("on")), t("thanks"));
  } });
  const copy = small("copy", "copy", { onclick: () => tell(copied(message.content), t("copied"), t("notCopied")) });
  return el("div", { class: "thumbs" }, thumb("up", "good"), thumb("down", "bad"), copy, how(message, openTrace), told);
}

// Over plain http there is no clipboard, but for this machine; the older way works there.
async function copied(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const box = el("textarea", { class: "unseen" }, text);
  const before = document.activeElement;
  document.body.append(box);
  box.select();
  const done = document.execCommand("copy");
  box.remove();
  before?.focus();
  if (!done) throw new Error();
}

function how(message, openTrace) {
  if (!message.request || !openTrace) return null;
  return el("button", { class: "icon small", "data-how": message.request, type: "button", onclick: () => openTrace(message.request) }, el("i", { class: "glyph how" }), ` ${t("how")}`);
}

function failure(message, { again, openTrace }) {
  return [
    el("p", { class: "error", role: "alert" }, message.error),
    message.request ? el("p", { class: "quiet" }, el("small", {}, `${t("request")} ${message.request}`)) : "",
    el("div", { class: "thumbs" }, el("button", { class: "small", type: "button", onclick: () => again(message) }, t("again")), how(message, openTrace))];
}

// What an agent asks before it acts. Once decided, the buttons are gone: what was shown is what is done, once.
function approval(message, own, decide) {
  const calls = own.pending.map((call) => el("li", {}, el("b", {}, call.tool), " ", el("code", {}, JSON.stringify(call.arguments))));
  const button = (yes, label) => el("button", { class: "small", type: "button", "data-decide": String(yes), onclick: () => decide(message, yes) }, t(label));
  return el("div", { class: "approval", role: "group", "aria-label": t("approval") }, el("p", {}, t("approval")), el("ul", {}, ...calls), el("div", { class: "thumbs" }, button(true, "approve"), button(false, "decline")));
}

// Draw a message into its node; called again for each piece that arrives. `openTrace` is null where no traces are kept.
export function draw(node, message, actions) {
  if (message.role === "user") return node.replaceChildren(el("p", {}, message.content));
  const own = message.nacre || {};
  const citations = own.citations || [];
  const wasOpen = node.querySelector("details.steps")?.open;
  const parts = [];
  if (message.reasoning) parts.push(folded("steps", message.reasoning, !message.done && (wasOpen ?? true)));
  if (own.program) parts.push(folded("program", own.program, true));
  for (const src of own.execution?.charts || []) if (src.startsWith("data:image/png;base64,")) parts.push(el("img", { class: "chart", src, alt: t("chart") }));
  if (own.value !== undefined && own.program) parts.push(el("p", { class: "value" }, el("b", {}, t("result")), ` ${JSON.stringify(own.value)}`));
  if (own.question) parts.push(el("p", { class: "quiet" }, el("small", {}, `${t("understood")} ${own.question}`)));
  const state = ["abstained", "closest", "uncited"].find((name) => own[name]);
  if (state) parts.push(el("p", { class: "badge" }, t(state)));
  if (message.content) parts.push(...rich(message.content, citations, actions.open));
  else if (!message.done) parts.push(el("p", { class: "quiet pulse" }, t("thinking")));
  if (message.done && own.pending?.length) parts.push(approval(message, own, actions.decide));
  if (message.error) parts.push(...failure(message, actions));
  if (citations.length) parts.push(sources(citations, actions.open));
  if (message.done && message.content && !message.error) parts.push(thumbs(message, actions.openTrace));
  const next = own.asked_back || own.suggestions;
  if (message.done && next?.length) parts.push(suggested(next, actions.ask));
  node.setAttribute("aria-busy", String(!message.done)); // read out once, when it is whole
  node.replaceChildren(...parts);
  const steps = node.querySelector("details.steps pre");
  if (steps && !message.done) steps.scrollTop = steps.scrollHeight;
  return node;
}
