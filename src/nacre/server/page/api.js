// Calls to the server: with the key where one is needed, in the language of the page, and streams of server-sent events.

import { t } from "./texts.js";

// The addresses of the server, wherever a proxy has put it: this file is at its /page/api.js.
const ROOT = new URL("../", import.meta.url);
export const at = (path) => new URL(path.replace(/^\//, ""), ROOT).href;

// The part of an address behind the root.
export const below = (url) => url.pathname.slice(ROOT.pathname.length - 1);

const field = () => document.getElementById("key");

const authorised = () => {
  const key = sessionStorage.getItem("nacre.key");
  return { "accept-language": document.documentElement.lang, ...(key ? { authorization: `Bearer ${key}` } : {}) };
};

function askForKey() {
  const dialog = document.getElementById("key-dialog");
  if (!dialog.open) dialog.showModal();
  return new Promise((resolve) =>
    dialog.addEventListener("close", () => {
      sessionStorage.setItem("nacre.key", field().value.trim());
      resolve();
    }, { once: true }));
}

// A response, whatever its status, once the server knows who asks.
export async function send(path, options = {}) {
  const response = await fetch(at(path), { ...options, headers: { ...options.headers, ...authorised() } });
  if (response.status !== 401) return response;
  await askForKey();
  return send(path, options);
}

async function checked(response) {
  if (response.ok) return response;
  const body = await response.json().catch(() => ({}));
  throw new Error(body.error?.message || response.statusText);
}

export const get = async (path) => (await checked(await send(path))).json();

export const post = async (path, body) =>
  (await checked(await send(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) }))).json();

export const remove = async (path) => checked(await send(path, { method: "DELETE" }));

// The events of a streamed chat completion; before them, the id under which the server keeps a trace of it.
export async function* chat(body, signal) {
  const options = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ ...body, stream: true }), signal };
  const answer = await send("/v1/chat/completions", options);
  yield { request: answer.headers.get("x-request-id"), choices: [] };
  const response = await checked(answer);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const events = (rest + value).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      const data = event.replace(/^data: /, "");
      if (data === "[DONE]") return;
      const parsed = JSON.parse(data);
      if (parsed.error) throw new Error(parsed.error.message);
      yield parsed;
    }
  }
}

// What a proxy in between says is often no JSON.
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

// Upload a file and tell how much of it has gone out, 0 to 1.
export function upload(file, onProgress) {
  return new Promise((resolve, reject) => {
    const form = new FormData();
    form.append("purpose", "assistants");
    form.append("file", file);
    const request = new XMLHttpRequest();
    request.open("POST", at("/v1/files"));
    for (const [name, value] of Object.entries(authorised())) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => onProgress(event.loaded / event.total);
    request.onerror = () => reject(new Error(request.statusText || t("offline")));
    request.onload = () => {
      const body = parsed(request.responseText);
      if (request.status < 300) resolve(body);
      else reject(new Error(body.error?.message || request.statusText || String(request.status)));
    };
    request.send(form);
  });
}
