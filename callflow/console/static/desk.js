// The desk's keys. Each key presses the button that shows it; without this script the buttons work alike.
"use strict";

(() => {
  const TEXT = "textarea, select, input:not([type=radio]):not([type=checkbox]):not([type=hidden])";
  const desk = () => document.getElementById("desk");
  let busy = false;
  let asked = 0;
  let arrived = 0; // when a page came that nobody had asked for with a key

  const visible = (element) => element.checkVisibility(); // false for what a closed panel holds

  const buttonOf = (key) => {
    const open = [...document.querySelectorAll("details[open]")].pop();
    for (const place of open ? [open, document] : [document]) {
      const found = [...place.querySelectorAll(`[data-key="${CSS.escape(key)}"]`)].find(visible);
      if (found) return found;
    }
    return null;
  };

  // What each person chose under 画面の設定: other letters for the program's own keys, or none of one letter at all.
  const own = () => JSON.parse(desk()?.dataset.keys || "{}");
  const ofScript = (key) => document.querySelector(`#answers [data-key="${CSS.escape(key)}"], [form="answers"][name="answer"][data-key="${CSS.escape(key)}"]`);
  const meantBy = (key) => {
    if (key.length > 1) return key;
    if (desk()?.dataset.keysOff) return "";
    return ofScript(key) ? key : own()[key] ?? key;
  };
  const showOwn = () => {
    const off = desk()?.dataset.keysOff;
    const shown = Object.fromEntries(Object.entries(own()).map(([mine, letter]) => [letter, mine]));
    for (const label of document.querySelectorAll("#desk kbd")) {
      const letter = label.textContent;
      if (off && letter.length === 1) label.hidden = true;
      else if (shown[letter] && !label.closest("#answers")) label.textContent = shown[letter];
    }
  };
  showOwn();

  // The help lists the keys of the screen as it stands, from the buttons that they press.
  document.addEventListener("toggle", (event) => {
    const list = event.target.querySelector?.("[data-keys-here]");
    if (!list || !event.target.open) return;
    list.replaceChildren();
    for (const button of document.querySelectorAll("#desk [data-key]")) {
      const label = button.querySelector("kbd") ?? button.labels?.[0]?.querySelector("kbd");
      if (!visible(button) || !label || label.hidden) continue;
      const words = (button.labels?.[0] ?? button).cloneNode(true);
      words.querySelectorAll("kbd, textarea").forEach((each) => each.remove());
      const [term, meaning] = [document.createElement("dt"), document.createElement("dd")];
      term.append(label.cloneNode(true));
      meaning.textContent = words.textContent.trim();
      list.append(term, meaning);
    }
  }, true);

  addEventListener("keydown", (event) => {
    if (event.isComposing || event.keyCode === 229 || event.ctrlKey || event.altKey || event.metaKey) return;
    const open = [...document.querySelectorAll("details[open]")].pop();
    if (event.key === "Escape") {
      if (open) open.open = false;
      document.activeElement?.blur();
      return;
    }
    if (event.target.closest?.(TEXT)) return;
    if (event.key === "Enter" && Date.now() - arrived < 700) return void event.preventDefault(); // meant the page before
    if (event.key === "Enter" && event.target.closest?.("button, a, summary, input")) return;
    const key = meantBy(event.key.length === 1 ? event.key.normalize("NFKC").toLowerCase() : event.key);
    const button = key && buttonOf(key);
    if (!button || event.repeat) return;
    event.preventDefault();
    if (looking) wanted = [key, button.textContent];
    press(button);
  });

  const press = (button) => {
    if (button.matches("textarea")) return void button.focus();
    if (button.matches("summary")) {
      button.parentElement.open = !button.parentElement.open;
      button.parentElement.querySelector("input:not([type=hidden])")?.focus();
      return;
    }
    if (!busy) button.click();
  };

  // A key that came while the page looked for a case by itself is pressed once more on the screen that the look brought,
  // if it still means the same there.
  let looking = false;
  let wanted = null;
  const pressWanted = () => {
    const [key, meant] = wanted ?? [];
    looking = false;
    wanted = null;
    const button = key && buttonOf(key);
    if (!button || button.textContent !== meant || button.parentElement.open) return;
    htmx.process(desk());
    press(button);
  };

  const settle = () => {
    busy = false;
    if (looking) arrived = Date.now();
    document.querySelector("main > .said")?.remove(); // it spoke of what was done before this
    const offline = document.getElementById("offline");
    if (offline) offline.hidden = true;
    showOwn();
    const first = desk()?.querySelector("[autofocus]") ?? desk()?.querySelector(".line");
    first?.focus();
    first?.select?.();
  };

  // What the screen asks for by itself: the same page again while a call rings, the next case when there may be one.
  let following = false; // a look of the page's own must not swallow a key
  const fetchDesk = () => {
    following = true;
    htmx.ajax("GET", desk().dataset.at, { target: "#desk", select: "#desk", swap: "outerHTML" });
  };
  const follow = () => { if (desk()?.dataset.follow && !busy) fetchDesk(); };
  const again = () => {
    const form = document.querySelector("form[data-again]");
    if (!form || busy || Date.now() - asked < 5000 || document.querySelector("details[open]")) return;
    asked = arrived = Date.now();
    looking = true;
    form.requestSubmit();
  };

  document.addEventListener("htmx:before:request", () => {
    busy = !following;
    following = false;
  });
  document.addEventListener("htmx:after:swap", settle);
  document.addEventListener("htmx:finally:request", () => {
    busy = false;
    if (looking) pressWanted();
  });
  document.addEventListener("htmx:error", () => {
    busy = false;
    const offline = document.getElementById("offline");
    if (offline) offline.hidden = false;
  });
  document.body.addEventListener("changed", (event) => {
    const mine = `call:${desk()?.dataset.call}`;
    if (event.detail.includes(mine) || event.detail.some((each) => each.startsWith("everything"))) follow();
    again();
  });
  setInterval(follow, 2000);
  setInterval(again, 30000);

  setInterval(() => {
    for (const timer of document.querySelectorAll(".timer")) {
      const seconds = Number(timer.dataset.seconds) + 1;
      timer.dataset.seconds = seconds;
      timer.textContent = `${String(Math.floor(seconds / 60)).padStart(2, "0")}:${String(seconds % 60).padStart(2, "0")}`;
    }
    for (const band of document.querySelectorAll(".takeback")) {
      band.dataset.seconds = Number(band.dataset.seconds) - 1;
      if (Number(band.dataset.seconds) <= 0) band.remove();
    }
  }, 1000);

  // The memo is saved while it is typed; an answer carries it too.
  let waiting = 0;
  document.addEventListener("input", (event) => {
    const memo = event.target.closest?.("[data-memo]");
    if (!memo) return;
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      const body = new FormData(document.getElementById("answers"));
      fetch(memo.dataset.memo, { method: "POST", body: new URLSearchParams(body), headers: { "HX-Request": "true" } }).catch(() => {});
    }, 600);
  });
  desk()?.querySelector("[autofocus], .line")?.focus();
})();
