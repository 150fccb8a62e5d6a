// The page of one source.

import { showSource } from "./reading.js";
import { theme, translate } from "./texts.js";

theme();
translate();
await showSource(location.href);
document.title = `${document.getElementById("source-title").textContent} · Nacre`;
