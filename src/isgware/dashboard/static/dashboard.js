// Numbers refresh every 5 s. Without this script every page works; a reload shows the same.
"use strict";
(() => {
  const PAUSE = 5000;
  const button = document.getElementById("live");
  if (!button || !document.querySelector("[data-live]")) return;
  let on = true;
  let timer = 0;

  const busy = (part) => {
    const selection = document.getSelection();
    return part.contains(document.activeElement)
      || part.querySelector("details[open]")
      || (selection && !selection.isCollapsed && part.contains(selection.anchorNode));
  };

  const refresh = async () => {
    if (!on || document.hidden) return;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
      if (answer.redirected || answer.status === 401) return location.reload();
      if (!answer.ok) throw new Error(String(answer.status));
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (!on) return;  // paused meanwhile
      for (const part of document.querySelectorAll("[data-live]")) {
        const next = fresh.getElementById(part.id);
        if (next && !busy(part) && next.innerHTML !== part.innerHTML) part.replaceWith(document.adoptNode(next));
      }
      button.textContent = "Live";
      button.classList.remove("lost");
    } catch {
      if (!on) return;
      button.textContent = "No connection";
      button.classList.add("lost");
    }
  };

  const run = () => { clearInterval(timer); if (on) timer = setInterval(refresh, PAUSE); };

  button.hidden = false;
  button.title = "Numbers refresh every 5 seconds. Press to pause.";
  button.addEventListener("click", () => {
    on = !on;
    button.setAttribute("aria-pressed", String(on));
    button.textContent = on ? "Live" : "Paused";
    if (on) refresh();
    run();
  });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
  run();
})();
