// What htmx cannot do: copy buttons, times that stay true, and single keys. Pages work without it.
"use strict";

(() => {
  const MINUTE = 60000;

  // Ids get a button that copies the whole of them.
  const addCopyButtons = (root) => {
    if (!navigator.clipboard) return;
    for (const code of root.querySelectorAll(".id > [data-copy]")) {
      if (code.nextElementSibling?.matches(".copy")) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "copy";
      button.setAttribute("aria-label", `Copy id ending ${code.dataset.copy.slice(-6)}`);
      button.addEventListener("click", () => copy(code.dataset.copy));
      code.after(button);
    }
  };

  const copy = async (text) => {
    await navigator.clipboard.writeText(text);
    toast(`Copied ${text}`);
  };

  // A toast says that something was done, and stays until the next action.
  const toast = (sentence) => {
    const line = document.createElement("p");
    line.textContent = sentence;
    document.getElementById("toasts")?.replaceChildren(line);
  };

  // "31 min ago", as the server says it (web/render.py).
  const ago = (then, now) => {
    const seconds = Math.floor(Math.abs(now - then) / 1000);
    if (seconds < 5) return "just now";
    const steps = [[90, 1, "s"], [5400, 60, "min"], [129600, 3600, "h"], [Infinity, 86400, "d"]];
    const [, unit, name] = steps.find(([limit]) => seconds < limit);
    const amount = `${Math.floor((seconds + Math.floor(unit / 2)) / unit)} ${name}`;
    return then > now ? `in ${amount}` : `${amount} ago`;
  };

  const tellTime = () => {
    const now = Date.now();
    for (const time of document.querySelectorAll("time[data-ago]")) {
      time.textContent = ago(Date.parse(time.dateTime), now);
    }
    for (const time of document.querySelectorAll("time[data-clock]")) {
      time.dateTime = new Date(now).toISOString();
      time.textContent = time.dateTime.slice(11, 16);
    }
  };

  // Single keys: off while typing, with a modifier, or by choice in /account.
  let isGoing = false;

  const isTyping = (target) => target.closest?.("input, textarea, select, [contenteditable]") !== null;

  const press = (selector) => {
    const found = document.querySelector(selector);
    found?.focus();
    if (found?.matches("a, button, summary")) found.click();
    return found !== null;
  };

  const move = (step) => {
    const links = [...document.querySelectorAll(".rows .lead a, .list .what a")];
    const next = links[links.indexOf(document.activeElement) + step] ?? links[step > 0 ? 0 : links.length - 1];
    next?.focus();
    return next !== undefined;
  };

  const obey = (key) => {
    if (isGoing) return press(`[data-go="${CSS.escape(key)}"]`);
    if (key === "?") return document.getElementById("keys")?.togglePopover() !== undefined;
    if (key === "/") return press("main [type=search]");
    if (key === "j") return move(1);
    if (key === "k") return move(-1);
    return press(`main [data-key="${CSS.escape(key)}"]`);
  };

  document.addEventListener("keydown", (event) => {
    if (document.body.dataset.keys === "off" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key.length !== 1 || event.key === " " || isTyping(event.target)) return;
    if (event.key === "g" && !isGoing) {
      isGoing = true;
      setTimeout(() => { isGoing = false; }, 1500);
      return;
    }
    if (obey(event.key)) event.preventDefault();
    isGoing = false;
  });

  // A link to part of a page opens the confirmation or details it names.
  const openTarget = () => {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    const details = target && target.closest("details");
    if (details) details.open = true;
  };

  addCopyButtons(document);
  openTarget();
  window.addEventListener("hashchange", openTarget);
  document.addEventListener("htmx:after:swap", () => addCopyButtons(document));
  setInterval(tellTime, MINUTE);
})();
