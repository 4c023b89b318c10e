// The board: counts up how long something has stood, and renews the switches when nobody is using them.
"use strict";

(() => {
  const begun = new WeakMap();

  const two = (number) => String(number).padStart(2, "0");

  const tick = () => {
    const now = performance.now();
    for (const timer of document.querySelectorAll("[data-seconds]")) {
      if (!begun.has(timer)) begun.set(timer, now - Number(timer.dataset.seconds) * 1000);
      const seconds = Math.floor((now - begun.get(timer)) / 1000);
      const minutes = Math.floor(seconds / 60);
      const text = minutes >= 60
        ? `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(seconds % 60)}`
        : `${minutes}:${two(seconds % 60)}`;
      if (timer.textContent !== text) timer.textContent = text;
    }
  };
  setInterval(tick, 250);
  tick();

  const inUse = (controls) =>
    [...controls.querySelectorAll("input[name=reason]")].some((field) => field.value)
    || controls.contains(document.activeElement) || controls.querySelector("details[open]") !== null;

  document.body.addEventListener("changed", () => {
    const controls = document.getElementById("controls");
    if (controls && !inUse(controls)) controls.dispatchEvent(new CustomEvent("unattended"));
  });

  let focused = "";
  document.addEventListener("htmx:before:swap", (event) => {
    if (event.target.id === "controls" && inUse(event.target)) event.preventDefault();
    focused = document.activeElement.id;
  });
  document.addEventListener("htmx:after:swap", () => {
    if (focused && document.activeElement === document.body) {
      document.getElementById(focused)?.focus({ preventScroll: true });
    }
  });
})();
