// A replay: one frame at a time, at the pace at which it happened; a silence longer than data-skip seconds is skipped.
// Without this script the page is the same list, from top to bottom.
"use strict";

(() => {
  const player = document.querySelector(".player");
  if (!player) return;
  const frames = [...player.querySelectorAll(".frame")];
  const steps = [...player.querySelectorAll(".timeline li[data-seq]")];
  if (!frames.length) return;
  const controls = player.querySelector(".controls");
  const play = controls.querySelector('[data-do="play"]');
  const range = controls.querySelector("input");
  const clock = controls.querySelector("output");
  const typed = document.querySelector("[data-current]");
  const skip = Number(player.dataset.skip) * 1000;
  const SKIPPED = 1000; // what stands for a silence
  let at = 0;
  let speed = 1;
  let timer = 0;

  const sounds = [...player.querySelectorAll("audio")];

  function hear(ms) { // the sound goes to where the film is; what it does not reach stays silent
    sounds.forEach((sound) => {
      const place = (ms - Number(sound.dataset.ms)) / 1000;
      if (!sound.paused && Math.abs(sound.currentTime - place) > 1) sound.currentTime = Math.max(0, place);
    });
  }

  const time = (step) => Number(steps[step].dataset.ms);
  const words = (ms) => `${Math.floor(ms / 60000)}:${String(Math.floor(ms / 1000) % 60).padStart(2, "0")}`;

  function show(step, focus) {
    at = Math.max(0, Math.min(frames.length - 1, step));
    frames.forEach((frame, place) => frame.classList.toggle("now", place === at));
    steps.forEach((each, place) => (place === at ? each.setAttribute("aria-current", "step") : each.removeAttribute("aria-current")));
    const list = steps[at].parentElement;
    list.scrollTop = steps[at].offsetTop - list.clientHeight / 2;
    range.value = String(at + 1);
    clock.textContent = `${words(time(at))} / ${words(time(frames.length - 1))}`;
    range.setAttribute("aria-valuetext", `${at + 1} / ${frames.length}`);
    hear(time(at));
    if (typed) typed.value = steps[at].dataset.seq;
    if (focus) frames[at].focus({ preventScroll: true });
  }

  function stop() {
    clearTimeout(timer);
    timer = 0;
    play.querySelector("span").textContent = play.dataset.play;
    play.firstChild.textContent = "▶ ";
  }

  function tick() {
    if (at >= frames.length - 1) return stop();
    const gap = time(at + 1) - time(at);
    timer = setTimeout(() => { show(at + 1); tick(); }, (gap > skip ? SKIPPED : gap) / speed);
  }

  function start() {
    if (at >= frames.length - 1) show(0);
    play.querySelector("span").textContent = play.dataset.pause;
    play.firstChild.textContent = "■ ";
    tick();
  }

  controls.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.speed) {
      speed = Number(button.dataset.speed);
      controls.querySelectorAll("[data-speed]").forEach((each) => each.setAttribute("aria-pressed", String(each === button)));
      if (timer) { clearTimeout(timer); tick(); }
    } else if (button.dataset.do === "play") {
      if (timer) stop(); else start();
    } else {
      stop();
      show(at + (button.dataset.do === "next" ? 1 : -1));
    }
  });
  range.addEventListener("input", () => { stop(); show(Number(range.value) - 1); });
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#step-"]');
    if (!link) return;
    event.preventDefault();
    stop();
    const seq = link.getAttribute("href").slice("#step-".length);
    show(steps.findIndex((each) => each.dataset.seq === seq), true);
    player.scrollIntoView({ block: "nearest" });
  });

  player.classList.add("on");
  controls.hidden = false;
  const asked = location.hash.match(/^#step-(\d+)$/);
  show(asked ? steps.findIndex((each) => each.dataset.seq === asked[1]) : 0);
})();
