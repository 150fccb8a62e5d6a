const all = [...document.querySelectorAll("details.item")];
const [find, wrong, order] = ["find", "wrong", "order"].map((id) => document.getElementById(id));
const texts = all.map((item) => item.textContent.toLowerCase());
function show() {
  const words = find.value.toLowerCase();
  all.forEach((item, n) => { item.hidden = !texts[n].includes(words) || (wrong.checked && !("wrong" in item.dataset)); });
}
function sort() {
  const by = [(a, b) => all.indexOf(a) - all.indexOf(b), (a, b) => a.dataset.n - b.dataset.n,
    (a, b) => b.dataset.seconds - a.dataset.seconds][order.value];
  [...all].sort(by).forEach((item) => item.parentNode.append(item));
}
function open() {
  const named = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (named && "open" in named) named.open = true;
}
find.addEventListener("input", show);
wrong.addEventListener("change", show);
order.addEventListener("change", sort);
addEventListener("hashchange", open);
open();
