// Every page: a menu that was opened closes with Escape and with a click elsewhere; and when the stream says that
// something changed, the parts that ask for it are fetched again.
// A part: <div data-hx-get="/board/tiles" data-hx-trigger="changed from:body" data-hx-swap="outerHTML">.
"use strict";

// A page that answered a form stands in the browser's history with what was typed, and the history is on the disk. It
// takes the address of the page that held the form; loading it again then sends nothing twice either.
if ("posted" in document.body.dataset) history.replaceState(null, "", document.referrer || "/");

addEventListener("keydown", (event) => {
  const open = event.key === "Escape" && document.querySelector(".more[open]");
  if (!open) return;
  open.open = false;
  open.firstElementChild.focus();
});
addEventListener("click", (event) => {
  for (const each of document.querySelectorAll(".more[open]")) if (!each.contains(event.target)) each.open = false;
});

(() => {
  const path = document.body.dataset.live;
  if (!path) return;
  const stream = new EventSource(path);
  stream.addEventListener("changed", (event) => {
    document.body.dispatchEvent(new CustomEvent("changed", { detail: event.data.split(" ") }));
  });
  addEventListener("pagehide", () => stream.close());
  // What somebody is filling in is not replaced under their hands: that part waits for the next change.
  document.body.addEventListener("htmx:before:swap", (event) => {
    if (!event.target.matches("[data-hx-trigger*=changed]")) return;
    const fields = event.target.querySelectorAll("input:not([type=hidden]), textarea, select");
    const touched = (field) => {
      if (field === document.activeElement) return true;
      if (field.matches("[type=checkbox], [type=radio]")) return field.checked !== field.defaultChecked;
      if (field.matches("select")) return !field.options[field.selectedIndex]?.defaultSelected && field.selectedIndex > 0;
      return field.value !== field.defaultValue;
    };
    if ([...fields].some(touched)) event.preventDefault();
  });
})();
