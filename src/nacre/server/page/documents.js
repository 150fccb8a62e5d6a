// Uploads: how far each has come, and why one failed.

import { get, post, remove, upload } from "./api.js";
import { el, t } from "./texts.js";

const list = document.getElementById("uploads");
const sending = new Map(); // name -> share sent, or what went wrong
let names = {};
let timer = 0;

// What is there now; a server that does not answer is asked again when something changes.
export const refresh = () => shown().catch((error) => list.replaceChildren(el("li", { class: "error", role: "alert" }, error.message)));

async function shown() {
  clearTimeout(timer);
  const [entries, files] = await Promise.all([get("/v1/vector_stores/main/files?limit=200"), get("/v1/files?limit=10000")]);
  names = Object.fromEntries(files.data.map((file) => [file.id, file.filename]));
  show(entries.data);
  if (entries.data.some((entry) => entry.status === "in_progress")) timer = setTimeout(refresh, 700);
}

function show(entries) {
  const rows = [...sending].map(([name, state]) =>
    row(name, typeof state === "number" ? `${t("uploading")} ${Math.round(state * 100)} %` : state, typeof state === "number" ? el("progress", { max: 1, value: state, "aria-label": `${t("uploading")} ${name}` }) : null));
  rows.push(...entries.map((entry) => {
    const drop = el("button", { class: "icon small", type: "button", "aria-label": `${t("remove")} ${names[entry.id] || ""}`, onclick: () => forget(entry.id) }, "✕");
    const busy = entry.status === "in_progress" ? el("progress", { "aria-label": t("in_progress") }) : drop;
    return row(names[entry.id] || entry.id, entry.last_error?.message || t(entry.status), busy, entry.status);
  }));
  list.replaceChildren(...(rows.length ? rows : [el("li", { class: "quiet" }, t("empty"))]));
}

const row = (name, state, more, status = "") =>
  el("li", { class: `upload ${status}` }, el("span", { class: "name", title: name }, name), more, el("small", { title: state }, state));

const forget = (id) => remove(`/v1/files/${id}`).catch(() => null).then(refresh); // what could not be removed is still shown

export async function add(files) {
  for (const file of files) {
    try {
      sending.set(file.name, 0);
      const kept = await upload(file, (share) => {
        sending.set(file.name, share);
        show([]);
      });
      await post("/v1/vector_stores/main/files", { file_id: kept.id });
      sending.delete(file.name);
    } catch (error) {
      sending.set(file.name, error.message);
    }
    await refresh();
  }
}
