// Where things stand, for people.

import { t } from "./texts.js";

// An address as people read it. What would not be seen or would make another address of it stays encoded.
export const readable = (uri) => uri.replace(/(?:%[0-9a-f]{2})+/gi, (run) => {
  try {
    return decodeURIComponent(run).replace(/[\p{C}\p{Z}%/?#]/gu, (letter) => (letter === " " ? letter : encodeURIComponent(letter)));
  } catch {
    return run;
  }
});

// What a heading, a citation or a passage is called.
export const place = ({ title, uri, heading = [], page }) =>
  [title || readable(uri || ""), ...(heading || []).filter((part) => part !== title)].filter(Boolean).join(" › ") + (page ? `, ${t("page").replace("{n}", page)}` : "");

// The beginning of a text, on one line; a Chinese character is as wide as two letters.
export function beginning(text, most = 160) {
  const letters = Array.from(text.replace(/\s+/g, " ").trim());
  let width = 0;
  const end = letters.findIndex((letter) => (width += /[\u2e80-\uffff]/.test(letter) ? 2 : 1) > most);
  return end < 0 ? letters.join("") : `${letters.slice(0, end).join("")}…`;
}
