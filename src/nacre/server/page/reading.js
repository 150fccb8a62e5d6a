// A source, with the cited span marked and in view.

import { below, get } from "./api.js";
import { readable } from "./places.js";
import { el, t } from "./texts.js";

const byId = (id) => document.getElementById(id);

export async function showSource(address) {
  const url = new URL(address, location.href);
  const text = byId("source-text");
  text.replaceChildren(el("p", { class: "quiet" }, t("thinking")));
  try {
    const source = await get(`/v1${below(url)}${url.search}`);
    byId("source-title").textContent = source.title || readable(source.uri);
    byId("source-place").textContent = readable(source.uri) + (source.changed ? ` · ${t(source.changed === "kept" ? "changed_kept" : "changed_lost")}` : "");
    const letters = Array.from(source.text); // the server counts characters, JavaScript halves of some of them
    const [start, end] = [source.start - source.offset, source.end - source.offset];
    const part = (from, to) => letters.slice(from, to).join("");
    const mark = el("mark", { id: "cited" }, part(start, end));
    text.replaceChildren(part(0, start), ...(end > start ? [mark] : []), part(end));
    if (end > start) mark.scrollIntoView({ block: "center" });
    else text.scrollTop = 0;
  } catch (error) {
    text.replaceChildren(el("p", { class: "error", role: "alert" }, error.message));
  }
}
