// The operator's telephone in the browser: one line, into our own conference, for as long as this page is open.
// Nothing of a case comes here or goes out from here. Without this script operators have telephones on their desks.
"use strict";

(() => {
  const band = document.getElementById("softphone");
  if (!band || !globalThis.Twilio?.Device?.isSupported || !navigator.mediaDevices) return;

  const LONGEST_WAIT = 60000; // ms for which Twilio rings
  const place = () => document.querySelector("[data-softphone]"); // the form's own, which comes and goes with the screen
  const desk = () => document.getElementById("desk");
  const csrf = () => desk().querySelector("[name=csrf]").value;
  let device = null;
  let line = null; // the call that is our receiver
  let awaited = 0; // until when a call is one that we asked for
  let busy = false;
  let pressing = false;
  let again = history.state?.softphone === true; // this page was left with a line: history outlives a reload, and nothing more

  const show = (state) => {
    band.hidden = false;
    band.dataset.state = state;
    for (const words of band.children) words.hidden = words.dataset.when !== state;
    arrange();
  };
  const arrange = () => {
    if (place()) place().hidden = busy || Boolean(line) || place().dataset.softphone === "there";
  };

  // Twilio's sounds are loaded from its own hosts; ours are none.
  class Silence {
    play() { return Promise.resolve(); }
    stop() {}
    setSinkIds() { return Promise.resolve(); }
  }

  const token = async () => {
    const body = new URLSearchParams({ csrf: csrf() });
    const answer = await fetch(band.dataset.token, { method: "POST", body, headers: { "HX-Request": "true" } });
    if (!answer.ok) throw new Error("no token");
    return (await answer.json()).token;
  };

  const leave = (state) => {
    const old = device;
    device = line = null;
    awaited = 0;
    busy = false;
    history.replaceState(null, "");
    show(state);
    old?.destroy();
  };

  const take = (call) => {
    if (line || Date.now() > awaited || call.parameters.From !== band.dataset.caller) return void call.reject();
    line = call;
    awaited = 0;
    const mine = (state) => () => { if (line === call) leave(state); };
    for (const end of ["disconnect", "cancel", "reject"]) call.on(end, mine("gone"));
    call.on("error", mine("failed"));
    call.on("accept", () => {
      busy = false;
      history.replaceState({ softphone: true }, "");
      show("there");
    });
    call.accept();
  };

  const join = async () => {
    const one = new Twilio.Device(await token(), {
      edge: band.dataset.edge,
      codecPreferences: ["opus", "pcmu"],
      logLevel: "silent",
      publishEvents: false, // no measurements to a second host
      Sound: Silence,
      tokenRefreshMs: 30000,
    });
    device = one;
    one.on("incoming", take);
    one.on("tokenWillExpire", () => token().then((fresh) => one.updateToken(fresh)).catch(() => {}));
    one.on("error", () => { if (device === one && !line) leave("failed"); });
    await one.register();
    if (device !== one) throw new Error("given up");
  };

  const connect = async () => {
    if (busy || line) return;
    busy = true;
    show("asking");
    try {
      const heard = await navigator.mediaDevices.getUserMedia({ audio: true });
      heard.getTracks().forEach((track) => track.stop());
    } catch {
      return leave("denied");
    }
    show("calling");
    try {
      await join();
    } catch {
      return leave("failed");
    }
    const form = place()?.querySelector("form");
    if (!form) return leave("gone"); // the screen is another one by now
    awaited = Date.now() + LONGEST_WAIT;
    setTimeout(() => { if (device && !line && Date.now() >= awaited) leave("failed"); }, LONGEST_WAIT + 100);
    htmx.process(form); // right after a swap it would be sent as a whole page's form, and this page would go with the line
    pressing = true;
    form.requestSubmit();
    pressing = false;
  };

  // After a reload the line is taken up again, without a question, where the microphone was allowed before.
  const resume = async () => {
    if (!again || !place()) return;
    again = false;
    const allowed = await navigator.permissions.query({ name: "microphone" }).catch(() => null);
    if (allowed?.state === "granted") connect();
    else leave("gone");
  };

  document.addEventListener("submit", (event) => {
    if (pressing || !event.target.closest("[data-softphone]")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    connect();
  }, true);
  document.addEventListener("htmx:after:swap", () => { arrange(); resume(); });
  addEventListener("beforeunload", (event) => { if (line && desk()?.dataset.call) event.preventDefault(); });
  addEventListener("pagehide", () => device?.destroy());
  if (again) show("gone");
  arrange();
  resume();
})();
