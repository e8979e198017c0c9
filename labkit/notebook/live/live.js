// A live figure in the browser: drawn once, then extended; the kernel hears of it only while it can be seen.

// The page of one figure, or of the many of a dashboard.
function arrange(places) {
  const page = element("div", `lk-page${places.length > 1 ? " lk-many" : ""}`);
  const plots = places.map(({ heading, title, about, column, width, height, legend }) => {
    if (heading) page.append(element("h3", "lk-heading", { textContent: heading }));
    const plot = element("div", "lk-plot");
    const names = legend ? element("div", "lk-legend") : undefined;
    const part = element("div", "lk-part");
    if (title) part.append(element("div", "lk-title", { textContent: title, title: about ?? "" }));
    part.append(...(names ? [names] : []), plot);
    if (column) {
      part.style.setProperty("--lk-column", column);
      part.style.setProperty("--lk-width", width);
      part.dataset.width = width;
    }
    // In a dashboard, the names of lines take from the plot's room, so that all stays in its place.
    if (height) (places.length > 1 ? part : plot).style.height = `${height}px`;
    page.append(part);
    return { plot, legend: names, fixed: Boolean(height), small: places.length > 1 };
  });
  return { page, plots };
}

function foot(model) {
  const button = element("button", "lk-button", { type: "button" });
  const state = element("span", "lk-state");
  const notice = element("span", "lk-notice");
  notice.setAttribute("role", "status");
  button.addEventListener("click", () => {
    model.send({ do: model.get("state") === "running" ? "stop" : "start" });
  });
  const show = () => {
    const running = model.get("state") === "running";
    button.textContent = running ? "❚❚ Pause" : "▶ Go on";
    button.setAttribute("aria-label", running ? "Pause the live figure" : "Let the live figure go on");
    state.textContent = running ? "" : "Stopped.";
    notice.textContent = model.get("notice");
  };
  const fail = (error) => {
    notice.textContent = `plotly.js did not arrive, so nothing is drawn (${error.message}). Reload the page.`;
  };
  show();
  const lost = () => {
    button.hidden = true;
    state.textContent = "";
    notice.textContent = "This is how it was: the kernel has ended. Run the cell again to see it live.";
  };
  const utc = element("span", "lk-state lk-right", { textContent: "time in UTC" });
  return { bar: element("div", "lk-foot", {}, button, state, notice, utc), notice, show, fail, lost };
}

// Tells the kernel that somebody looks, or no more. Whoever comes into sight gets everything.
function attendance(model, root, alive) {
  const view = newView();
  let inSight = false;
  let here = false;
  const send = (message) => alive() && model.send({ view, ...message });
  const tell = (has) => send({ do: "here", has });
  const leave = () => here && send({ do: "gone" });
  const look = () => {
    const now = inSight && !document.hidden;
    if (now && !here) tell(false);
    if (!now) leave();
    here = now;
  };
  const sight = new IntersectionObserver((entries) => {
    inSight = entries.at(-1).isIntersecting;
    look();
  });
  sight.observe(root);
  const beat = setInterval(() => here && tell(true), HEARTBEAT);
  document.addEventListener("visibilitychange", look);
  window.addEventListener("pagehide", leave);
  const end = () => {
    sight.disconnect();
    clearInterval(beat);
    document.removeEventListener("visibilitychange", look);
    window.removeEventListener("pagehide", leave);
    leave();
  };
  return { end, here: () => here, missed: () => tell(false) };
}

// Draws what the kernel sends, in order; what comes before plotly is there, waits.
function drawing(model, plots, attending) {
  let parts = [];
  let number = 0;
  const early = [];
  const take = (message) => {
    if (!parts.length) early.push(message);
    else if (message.whole ? message.number > number : message.number === number + 1) {
      number = message.number;
      for (const change of message.parts) parts[change.part].take(change);
    } else if (message.number > number && attending.here()) attending.missed();
  };
  const begin = (Plotly) => {
    parts = plots.map((plot) => new Part(Plotly, plot));
    [model.get("first"), ...early.splice(0)].forEach(take);
  };
  const each = (action) => parts.map(action);
  return { take, begin, each };
}

function render({ model, el }) {
  const title = model.get("title");
  const { page, plots } = arrange(model.get("places"));
  const { bar, notice, show, fail, lost } = foot(model);
  const alive = living(model, el);
  if (!alive.check()) {
    // Its picture stands above.
    lost();
    el.append(element("div", "labkit-live", {}, notice));
    return () => {};
  }
  const root = element("div", "labkit-live", { tabIndex: 0 }, page, bar);
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", `Live figure: ${title}`);
  el.append(root, instead(model));

  const attending = attendance(model, root, alive.check);
  const drawn = drawing(model, plots, attending);
  const describe = () => {
    const values = drawn.each((part) => part.says()).filter(Boolean);
    root.setAttribute("aria-label", `Live figure: ${title}. ${values.slice(0, 3).join("; ")}`);
  };
  const themes = new MutationObserver(() => drawn.each((part) => part.recolour()));
  root.addEventListener("focusin", describe);
  themes.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-name"] });
  const hear = (message) => {
    show();
    drawn.take(message);
  };
  const unwatch = alive.watch(lost);
  model.on("msg:custom", hear);
  model.on("change:state change:notice", show);
  let ended = false;
  plotly(model).then((Plotly) => ended || drawn.begin(Plotly), fail);

  return () => {
    ended = true;
    attending.end();
    themes.disconnect();
    model.off("msg:custom", hear);
    unwatch();
    model.off("change:state change:notice", show);
    drawn.each((part) => part.end());
  };
}

export default { render };
