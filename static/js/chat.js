// What the chat adds to htmx: keys in the composer, command hints, catching up, and scrolling along.
"use strict";

(() => {
  const find = (id) => document.getElementById(id);
  const talk = find("talk");
  const composer = find("composer");
  const content = find("content");
  const NEAR_END = 96;

  // Details a reader opened stay open when a message is brought up to date.
  window.htmx?.config.morphIgnore.push("open");

  // -- the composer

  const send = () => {
    if (content.value.trim()) composer.requestSubmit(find("send"));
  };

  const sent = () => {
    content.value = "";
    find("complaint")?.replaceChildren();
    const name = composer.elements.client_id;
    if (name) name.value = `${Date.now().toString(36)}-${crypto.getRandomValues(new Uint32Array(2)).join("-")}`;
    showHints();
    content.focus();
    follow();
  };

  const complain = (sentence) => {
    const line = document.createElement("p");
    line.className = "error";
    line.textContent = sentence;
    find("complaint")?.replaceChildren(line);
  };

  // -- hints for commands: buttons over the field; arrows move, Tab completes, Escape closes

  const hints = find("hints");
  const shownHints = () => (hints ? [...hints.children].filter((button) => !button.hidden) : []);

  const showHints = () => {
    if (!hints) return;
    const typed = content.value.match(/^\/(\S*)$/)?.[0].toLowerCase();
    for (const button of hints.children) {
      button.hidden = typed === undefined || !button.dataset.command.startsWith(typed);
      button.removeAttribute("aria-current");
    }
    const [first] = shownHints();
    first?.setAttribute("aria-current", "true");
    hints.hidden = first === undefined;
  };

  const closeHints = () => {
    if (hints) hints.hidden = true;
  };

  const moveHint = (step) => {
    const buttons = shownHints();
    const at = buttons.findIndex((button) => button.hasAttribute("aria-current"));
    buttons[at]?.removeAttribute("aria-current");
    buttons.at((at + step) % buttons.length).setAttribute("aria-current", "true");
  };

  const takeHint = (button) => {
    content.value = `${button.dataset.command} `;
    closeHints();
    content.focus();
  };

  const hintKey = (event) => {
    const current = shownHints().find((button) => button.hasAttribute("aria-current"));
    if (!hints || hints.hidden || !current) return false;
    if (event.key === "ArrowDown") moveHint(1);
    else if (event.key === "ArrowUp") moveHint(-1);
    else if (event.key === "Escape") closeHints();
    else if (event.key === "Tab" && !event.shiftKey) takeHint(current);
    else if (event.key === "Enter" && current.dataset.command !== content.value.trim()) takeHint(current);
    else return false;
    return true;
  };

  if (composer && content) {
    content.addEventListener("keydown", (event) => {
      if (event.isComposing) return;
      if (hintKey(event)) event.preventDefault();
      else if (event.key === "Enter" && !event.shiftKey) {
        event.preventDefault();
        send();
      }
    });
    content.addEventListener("input", showHints);
    content.addEventListener("blur", (event) => {
      if (!hints?.contains(event.relatedTarget)) closeHints();
    });
    hints?.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) takeHint(button);
    });
    hints?.addEventListener("mousedown", (event) => event.preventDefault());
    composer.addEventListener("htmx:after:request", (event) => {
      if (event.target !== composer || event.detail.ctx.response?.raw.status !== 204) return;
      sent();
      if (!isConnected) refresh();
    });
    composer.addEventListener("htmx:error", () => complain("Jarvis could not be reached. Your message is still here."));
  }

  // -- scrolling along, only at the end

  const isAtEnd = () => window.innerHeight + window.scrollY >= document.documentElement.scrollHeight - NEAR_END;

  const follow = () => window.scrollTo({ top: document.documentElement.scrollHeight, behavior: "instant" });

  const pill = find("pill");
  let unread = 0;

  const count = (more) => {
    unread = more === 0 ? 0 : unread + more;
    if (!pill) return;
    pill.hidden = unread === 0;
    pill.textContent = `${unread} new message${unread === 1 ? "" : "s"} ↓`;
  };

  window.addEventListener("scroll", () => { if (unread && isAtEnd()) count(0); }, { passive: true });
  pill?.addEventListener("click", (event) => {
    event.preventDefault();
    count(0);
    follow();
    content?.focus();
  });

  // -- live: what was missed comes by the number of the last event this page knows

  let isConnected = false;
  let seq = Number(talk?.dataset.seq ?? 0);

  const announce = (sentence) => {
    const line = document.createElement("p");
    line.textContent = sentence;
    find("announcements")?.replaceChildren(line);
  };

  const firstSentence = (id) => {
    const text = find(`${id}-body`)?.textContent.trim() ?? "";
    return text.match(/^.{1,200}?[.!?](?=\s|$)/s)?.[0] ?? text.slice(0, 160);
  };

  const refresh = () => window.htmx.ajax("GET", location.pathname, {
    target: "#messages", swap: "outerMorph", select: "#messages",
  });

  // A message this page has already is brought up to date in place.
  const inPlace = (frame) => {
    if (frame.swap !== "beforeend" || frame.target !== "#messages") return frame;
    return find(frame.message_id) ? { ...frame, target: `#${frame.message_id}`, swap: "outerMorph" } : frame;
  };

  const tell = (frame) => {
    if (frame.type === "agent.thinking") announce("Jarvis is writing.");
    if (frame.type === "message.done") {
      const failed = find(frame.message_id)?.querySelector(".is-danger");
      announce(failed ? "The reply failed." : firstSentence(frame.message_id));
    }
    if (frame.type === "thread.deleted") complain("This conversation was deleted.");
    if (frame.type === "reload") refresh();
  };

  let wasAtEnd = true;

  const subscribe = (socket) => {
    isConnected = true;
    talk.removeAttribute("data-offline");
    talk.dataset.live = "";
    socket.send(JSON.stringify({ action: "subscribe", thread_id: talk.dataset.thread, after: seq }));
  };

  if (talk) {
    if (window.htmx) talk.dataset.live = ""; // it will be in a moment: no link to refresh flashes by
    talk.addEventListener("htmx:ws:after:connection", (event) => subscribe(event.detail.connection.socket));
    talk.addEventListener("htmx:ws:close", (event) => {
      isConnected = false;
      talk.dataset.offline = "";
      talk.removeAttribute("data-live");
      if (event.detail.code === 1008) complain("Your session has ended. Load the page again to sign in.");
    });
    talk.addEventListener("htmx:ws:before:message:incoming", (event) => {
      const { message } = event.detail;
      const frame = inPlace(JSON.parse(message.data));
      if (frame.target && !document.querySelector(frame.target)) delete frame.content; // scrolled out of this page
      wasAtEnd = isAtEnd();
      message.data = JSON.stringify(frame);
    });
    talk.addEventListener("htmx:ws:after:message:incoming", (event) => {
      const frame = JSON.parse(event.detail.message.data);
      if (Number.isInteger(frame.seq) && frame.seq > seq) seq = frame.seq;
      tell(frame);
      addCopyButtons(talk);
      if (wasAtEnd) follow();
      else if (frame.type === "message.new" && frame.content) count(1);
    });
    if (!location.search.includes("before=")) follow();
    // Deferred scripts and htmx's own start race each other: whichever was late is made up for here.
    window.htmx?.process(talk);
    const open = talk._htmx?.ws?.connection?.socket;
    if (open?.readyState === WebSocket.OPEN) subscribe(open);
  }

  // -- code can be copied

  const addCopyButtons = (root) => {
    if (!navigator.clipboard) return;
    for (const block of root.querySelectorAll(".code")) {
      if (block.querySelector(".copy-code") || block.closest("[aria-busy=true]")) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "button copy-code";
      button.textContent = "Copy";
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(block.querySelector("code").textContent);
        button.textContent = "Copied";
      });
      block.append(button);
    }
  };

  addCopyButtons(document);
})();
