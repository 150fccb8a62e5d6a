// The conversations of one person, kept in this browser.

import { t } from "./texts.js";

const MOST = 50;
let name = "";
let list = [];

export const conversations = () => list;

// From now on those of this person: two keys in one browser do not see each other's.
export function load(person) {
  name = `nacre.conversations:${person}`;
  try {
    list = JSON.parse(localStorage.getItem(name) || "[]");
    for (const message of list.flatMap((one) => one.messages)) if (message.done === false) Object.assign(message, { done: true, error: t("stopped") });
  } catch {
    list = [];
  }
}

export function add(one) {
  list.unshift(one);
}

export function forget(one) {
  list = list.filter((other) => other !== one);
  save();
}

// Where the browser has no room left, the oldest make way.
export function save() {
  for (let most = Math.min(MOST, list.length); most >= 0; most--) {
    try {
      return localStorage.setItem(name, JSON.stringify(list.slice(0, most)));
    } catch {
      continue;
    }
  }
}
