// How an answer came about: its calls in time, the passages that were found, steps and programs.

import { get } from "./api.js";
import { beginning, place } from "./places.js";
import { el, t } from "./texts.js";

const body = document.getElementById("how-body");
const time = (seconds) => (seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`);
const tokens = ([read, written]) => (read + written ? `${read} + ${written}` : "");

export async function showTrace(id, open) {
  body.replaceChildren(el("p", { class: "quiet pulse" }, t("loading")));
  try {
    const trace = await get(`/v1/traces/${encodeURIComponent(id)}`);
    const own = trace.nacre;
    body.replaceChildren(
      facts(trace),
      ...part("calls", trace.calls.length && calls(trace, open)),
      ...part("passages", trace.hits.length && passages(trace.hits, open)),
      ...part("steps", own.trajectory?.length && steps(own.trajectory)),
      ...part("program", own.program && program(own)));
  } catch (error) {
    body.replaceChildren(el("p", { class: "error", role: "alert" }, error.message));
  }
}

const part = (name, content) => (content ? [el("h3", {}, t(name)), content] : []);

function facts(trace) {
  const rows = [["model", trace.model], ["time", time(trace.seconds)], ["tokenCount", tokens(trace.tokens)], ["problem", trace.status === "ok" ? "" : trace.status]];
  return el("dl", { class: "facts" }, ...rows.filter(([, value]) => value).map(([name, value]) => el("div", {}, el("dt", {}, t(name)), el("dd", {}, value))));
}

// One row a call, under a bar that shows when it ran. What a call was given and gave is folded away.
function calls(trace, open) {
  const whole = Math.max(...trace.calls.map((call) => call.began + call.seconds)) || 1;
  return el("ol", { class: "calls" }, ...trace.calls.map((call) => {
    const bar = el("i", {});
    bar.style.marginLeft = `${(100 * call.began) / whole}%`;
    bar.style.width = `${(100 * call.seconds) / whole}%`;
    const head = [
      el("span", { class: "head" }, el("b", {}, call.name), el("small", { class: "kind" }, t(call.kind)), el("span", { class: "grow" }),
        call.status === "ok" ? null : el("small", { class: "error" }, call.status), el("small", {}, time(call.seconds))),
      el("span", { class: "span" }, el("span", { class: "when", "aria-hidden": "true" }, bar), el("small", {}, tokens(call.tokens) && `${tokens(call.tokens)} ${t("tokens")}`))];
    const inside = [
      ...(call.asked ? [el("h4", {}, t("asked")), text(call.asked)] : []),
      ...(call.said ? [el("h4", {}, t("said")), text(call.said)] : []),
      ...(call.hits?.length ? [el("h4", {}, t("passages")), passages(call.hits, open)] : [])];
    const row = el("li", { class: `call ${call.kind}` }, inside.length ? el("details", {}, el("summary", {}, ...head), ...inside) : el("div", {}, ...head));
    row.style.setProperty("--depth", call.depth);
    return row;
  }));
}

const text = (content) => el("pre", { tabindex: "0" }, content);

function passages(hits, open) {
  return el("ul", { class: "chips" }, ...hits.map((hit, at) => {
    const content = [el("b", {}, String(hit.n ?? at + 1)), el("span", {}, place(hit)), el("small", {}, `${t("score")} ${hit.score?.toFixed(2) ?? "–"}`), hit.text ? el("q", {}, beginning(hit.text)) : null];
    return el("li", {}, hit.url ? el("button", { class: "chip", type: "button", onclick: () => open(hit) }, ...content) : el("div", { class: "chip" }, ...content));
  }));
}

function steps(trajectory) {
  return el("ol", { class: "walk" }, ...trajectory.map((step) => el("li", {},
    step.thought ? el("p", {}, step.thought) : null,
    el("p", {}, el("b", {}, step.action), " ", el("code", {}, typeof step.input === "string" ? step.input : JSON.stringify(step.input)), " ", el("small", {}, time(step.seconds))),
    step.observation ? el("details", {}, el("summary", {}, t("observation")), text(step.observation)) : null)));
}

function program(own) {
  const seconds = own.execution?.seconds;
  return el("div", {}, text(own.program), el("p", { class: "value" }, el("b", {}, t("result")), ` ${JSON.stringify(own.value)}`, seconds === undefined ? null : el("small", {}, ` · ${time(seconds)}`)));
}
