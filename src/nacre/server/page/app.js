// The page: conversations, the question, and what belongs around them.

import { draw } from "./answer.js";
import { at, chat, get, post } from "./api.js";
import * as documents from "./documents.js";
import * as kept from "./kept.js";
import { showSource } from "./reading.js";
import { el, otherLanguage, otherTheme, t, theme, translate } from "./texts.js";
import { showTrace } from "./trace.js";

const byId = (id) => document.getElementById(id);
const MODELS = { nacre: "modelPlain", "nacre-strict": "modelStrict", "nacre-pal": "modelPal", "nacre-agent": "modelAgent" };
let current = null;
let asking = null;
let me = {};
let shown = []; // messages of the page, each with its node

function showConversations() {
  const rows = kept.conversations().map((one) =>
    el("li", {}, el("button", { type: "button", class: one === current ? "row on" : "row", "aria-current": one === current ? "true" : null, onclick: () => open(one) }, one.title),
      el("button", { type: "button", class: "icon small", "aria-label": `${t("remove")} ${one.title}`, onclick: () => forget(one) }, "✕")));
  byId("conversations").replaceChildren(...(rows.length ? rows : [el("li", { class: "quiet" }, t("empty"))]));
}

function forget(one) {
  kept.forget(one);
  if (one === current) open(null);
  else showConversations();
}

function open(one) {
  asking?.abort();
  current = one;
  shown = [];
  const nodes = (one?.messages || []).map(add);
  byId("messages").replaceChildren(...(nodes.length ? nodes : [welcome()]));
  byId("messages").scrollTop = byId("messages").scrollHeight;
  showConversations();
  menu(false);
}

const welcome = () => el("div", { class: "welcome" }, el("img", { src: at("/page/icon.svg"), alt: "", width: 72, height: 72 }), el("h2", {}, t("welcome")), el("p", {}, t("welcomeText")));

function add(message) {
  const node = el("article", { class: `message ${message.role}` });
  shown.push([node, message]);
  redraw(node, message);
  return node;
}

function redraw(node, message) {
  node.setAttribute("aria-label", message.role === "user" ? t("you") : "Nacre");
  draw(node, message, { open: openSource, openTrace: me.traces ? openTrace : null, again, decide, ask: (text) => !asking && ask(text) });
}

// A question that failed is asked once more, in its place.
function again(answer) {
  if (asking) return;
  const at = current.messages.indexOf(answer);
  current.messages.splice(at - 1, 2);
  open(current);
  ask(answer.question);
}

// The run goes on with the very calls that were shown; its answer takes the place of the question.
async function decide(answer, approve) {
  if (asking) return;
  busy(new AbortController());
  const { run_id: id } = answer.nacre;
  Object.assign(answer, { done: false, nacre: {}, content: "" });
  const node = shown.find(([, message]) => message === answer)[0];
  redraw(node, answer);
  try {
    const input = [{ type: "mcp_approval_response", approval_request_id: id, approve }];
    const response = await post("/v1/responses", { model: answer.model, input });
    const said = response.output.find((item) => item.type === "message");
    Object.assign(answer, { content: said?.content.map((part) => part.text || part.refusal).join("") || "", nacre: response.nacre });
  } catch (error) {
    answer.error = error instanceof TypeError ? t("offline") : error.message;
  }
  answer.done = true;
  redraw(node, answer);
  busy(null);
  kept.save();
}

// One panel beside the conversation at a time. Closing one that was opened from another goes back to that one.
function panel(id) {
  for (const one of ["source", "how"]) byId(one).hidden = one !== id;
}

function openSource(citation) {
  byId("source").dataset.from = byId("how").hidden ? "" : "how";
  panel("source");
  byId("source-open").href = citation.url;
  showSource(new URL(citation.url).pathname + new URL(citation.url).search).then(() => byId("source-title").focus({ preventScroll: true }));
}

function openTrace(id) {
  panel("how");
  showTrace(id, openSource);
  byId("how-title").focus({ preventScroll: true });
}

function closePanel() {
  const back = byId("source").hidden ? "" : byId("source").dataset.from;
  panel(back);
  byId(back ? "how-title" : "question").focus();
}

async function ask(text) {
  byId("messages").querySelector(".welcome")?.remove();
  if (!current) {
    current = { title: text.slice(0, 60), messages: [] };
    kept.add(current);
  }
  const history = answered(current.messages).map(({ role, content }) => ({ role, content }));
  const question = { role: "user", content: text };
  const answer = { role: "assistant", content: "", reasoning: "", question: text, model: byId("model").value, done: false };
  current.messages.push(question, answer);
  const box = byId("messages");
  const node = add(answer);
  box.append(add(question), node);
  box.scrollTop = box.scrollHeight;
  showConversations();
  busy(new AbortController());
  let drawing = 0; // once a frame, however many pieces come
  try {
    for await (const event of chat({ model: byId("model").value, messages: [...history, question] }, asking.signal)) {
      if (event.request) answer.request = event.request;
      const delta = event.choices[0]?.delta || {};
      answer.content += delta.content || "";
      answer.reasoning += delta.reasoning_content || "";
      if (event.nacre) answer.nacre = event.nacre;
      drawing ||= requestAnimationFrame(() => {
        drawing = 0;
        const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 80;
        if (!answer.done) redraw(node, answer);
        if (atEnd) box.scrollTop = box.scrollHeight;
      });
    }
  } catch (error) {
    answer.error = error.name === "AbortError" ? t("stopped") : error instanceof TypeError ? t("offline") : error.message;
  }
  answer.done = true;
  redraw(node, answer);
  box.scrollTop = box.scrollHeight;
  busy(null);
  kept.save();
}

// What a model is told of earlier turns: a question whose answer failed goes with it, else two questions stood in a row.
const answered = (messages) => messages.filter((message, at) => !message.error && !messages[at + 1]?.error);

function busy(controller) {
  asking = controller;
  byId("send").textContent = controller ? "■" : "↑";
  byId("send").dataset.label = controller ? "stop" : "send";
  translate();
}

function menu(shown) {
  byId("side").classList.toggle("shown", shown);
  byId("menu").setAttribute("aria-expanded", String(shown));
}

function grow() {
  const box = byId("question");
  box.rows = Math.min(8, box.value.split("\n").length + Math.floor(box.value.length / 90));
}

function submit(event) {
  event.preventDefault();
  if (asking) return asking.abort();
  const text = byId("question").value.trim();
  if (!text) return undefined;
  byId("question").value = "";
  grow();
  return ask(text);
}

function showModels() {
  for (const option of byId("model").options) option.textContent = option.value in MODELS ? t(MODELS[option.value]) : option.value;
  byId("model").hidden = !byId("model").options.length;
}

function showMe() {
  if (!me.name) return;
  byId("who").textContent = me.principals?.length ? `${t("seesAs")} ${me.principals.join(", ")}` : t("seesPublic");
  byId("documents").hidden = me.read_only;
}

function wire() {
  byId("ask").addEventListener("submit", submit);
  byId("question").addEventListener("input", grow);
  byId("question").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) submit(event); // not while a Chinese word is being typed
  });
  byId("new").addEventListener("click", () => {
    open(null);
    byId("question").focus();
  });
  byId("menu").addEventListener("click", () => menu(!byId("side").classList.contains("shown")));
  byId("theme").addEventListener("click", otherTheme);
  byId("language").addEventListener("click", () => {
    otherLanguage();
    relabel();
  });
  for (const name of ["source", "how"]) byId(`${name}-close`).addEventListener("click", closePanel);
  byId("files").addEventListener("change", (event) => documents.add([...event.target.files]));
  const drop = byId("drop");
  for (const name of ["dragover", "dragleave", "drop"]) drop.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", name === "dragover");
    if (name === "drop") documents.add([...event.dataTransfer.files]);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !(byId("source").hidden && byId("how").hidden)) closePanel();
    if (event.key === "/" && !/INPUT|TEXTAREA|SELECT/.test(document.activeElement.tagName)) {
      event.preventDefault();
      byId("question").focus();
    }
  });
}

function relabel() {
  translate();
  byId("language").textContent = t("language").slice(0, 2) === "En" ? "EN" : "中";
  showModels();
  showMe();
  showConversations();
  for (const [node, message] of shown) redraw(node, message); // in place: an answer that is on its way goes on
  byId("messages").querySelector(".welcome")?.replaceWith(welcome());
  if (me.read_only === false) documents.refresh();
}

theme();
wire();
relabel();
open(null);
byId("question").focus();
try {
  const [models, asker] = [await get("/v1/models"), await get("/v1/me")];
  me = asker;
  kept.load(me.name);
  byId("model").replaceChildren(...models.data.map((model) => el("option", { value: model.id }, model.id)));
  relabel();
} catch (error) {
  byId("messages").replaceChildren(el("p", { class: "error", role: "alert" }, error instanceof TypeError ? t("offline") : error.message));
}
document.body.dataset.ready = "true";
