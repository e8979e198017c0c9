// A live figure in the browser: drawn once, then extended; the kernel hears of it only while it can be seen.

// The size is watched here: plotly sees only the window. Its buttons are costly, and shown once a pointer comes.
const CONFIG = { responsive: false, displaylogo: false, displayModeBar: false };
const BUTTONS = ["toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"];

async function load(model) {
  const id = model.get("script").replace("IPY_MODEL_", "");
  const script = await model.widget_manager.get_model(id);
  // As it came, or as the page has taken it already: see script.py.
  const sent = script.get("code") ?? globalThis[Symbol.for(`labkit.live.code.${model.get("version")}`)];
  const packed = new Blob([sent]).stream().pipeThrough(new DecompressionStream("gzip"));
  const code = await new Response(packed).text();
  const module = { exports: {} };
  // In a function: a page may have a loader of modules that would take it for its own.
  new Function("module", "exports", "define", code)(module, module.exports);
  return module.exports;
}

// However many live figures a page has, it reads the script once.
function plotly(model) {
  const shared = Symbol.for(`labkit.live.plotly.${model.get("version")}`);
  globalThis[shared] ??= load(model).catch((error) => {
    delete globalThis[shared];
    throw error;
  });
  return globalThis[shared];
}

function element(tag, className, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), { className, ...properties });
  made.append(...children);
  return made;
}

// A name as people read it; plotly takes it as markup, so that it comes with its signs escaped.
function plain(name) {
  return name.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&quot;", '"').replaceAll("&#x27;", "'")
    .replaceAll("&amp;", "&");
}

// The colours of the page's theme; elsewhere than in JupyterLab, the figure's own.
function colours(place) {
  const style = getComputedStyle(place);
  const value = (name) => style.getPropertyValue(name).trim();
  const text = value("--jp-ui-font-color1");
  if (!text) return {};
  const back = value("--jp-layout-color1");
  return {
    "font.color": text,
    "hoverlabel.bgcolor": back,
    "hoverlabel.bordercolor": value("--jp-border-color1"),
    "hoverlabel.font.color": text,
    "modebar.color": value("--jp-ui-font-color2"),
  };
}

function put(layout, settings) {
  for (const [path, value] of Object.entries(settings)) {
    const names = path.split(".");
    const last = names.pop();
    let at = layout;
    for (const name of names) at = at[name] ??= {};
    at[last] = value;
  }
}

// Adds points to lines that are not drawn yet, or cannot be seen, and drops those that left the window.
function grow(data, extend) {
  for (const [trace, x, y, most] of extend) {
    data[trace].x = [...data[trace].x, ...x].slice(-most);
    data[trace].y = [...data[trace].y, ...y].slice(-most);
  }
}

// One figure of the page. What is asked of plotly is done one after the other, and only what can be seen is drawn.
class Part {
  constructor(Plotly, { plot, legend, fixed, small }) {
    this.Plotly = Plotly;
    this.place = plot;
    this.legend = legend;
    this.fixed = fixed;
    this.config = CONFIG;
    this.hidden = new Set();
    this.drawn = this.zoomed = this.stale = false;
    this.inSight = true;
    this.revision = 0;
    this.done = Promise.resolve();
    this.sight = new IntersectionObserver((entries) => {
      this.inSight = entries.at(-1).isIntersecting;
      if (this.inSight && this.stale) this.then(() => this.redraw());
    });
    this.sight.observe(plot);
    // Also when an output is unfolded, or a tab comes to the front: then it has a size at last.
    this.sizes = new ResizeObserver(() => this.then(() => this.resize()));
    this.sizes.observe(plot);
    // In a dashboard there is no room for them that would not cover something.
    if (!small) plot.addEventListener("pointerenter", () => this.then(() => this.showButtons()), { once: true });
  }

  then(action) {
    this.done = this.done.then(action).catch((error) => console.error("labkit.live:", error));
    return this.done;
  }

  take(change) {
    return this.then(() => (change.figure ? this.draw(JSON.parse(change.figure)) : this.extend(change)));
  }

  // What the page gives it; none if it is hidden. A figure without a place of fixed height has its own.
  size() {
    const { clientWidth: width, clientHeight: height } = this.place;
    if (!width || (this.fixed && !height)) return undefined;
    if (this.own) return {};
    return this.fixed ? { width, height } : { width };
  }

  async draw(figure) {
    const { data, layout } = figure;
    if (this.zoomed && layout.xaxis) layout.xaxis.range = [...this.place.layout.xaxis.range];
    for (const trace of data) if (this.hidden.has(trace.name)) trace.visible = false;
    // First, because it takes from the room.
    this.legend?.replaceChildren(...this.entries(figure));
    this.figure = figure;
    this.own = !this.fixed && Boolean(layout.width);
    this.stale = true;
    await this.redraw();
  }

  async extend({ extend, range }) {
    if (!this.figure) return;
    const { data, layout } = this.figure;
    // With the points, in one drawing.
    if (!this.zoomed) layout.xaxis.range = range;
    if (this.stale || !this.visible() || !extend.length) {
      grow(data, extend);
      this.stale = true;
      await this.redraw();
    } else {
      const column = (index) => extend.map((one) => one[index]);
      const most = { x: column(3), y: column(3) };
      await this.Plotly.extendTraces(this.place, { x: column(1), y: column(2) }, column(0), most);
      await this.fit();
    }
  }

  visible() {
    return this.inSight && this.size();
  }

  // Draws what is known in the size that there is now.
  async redraw() {
    if (!this.stale || !this.visible()) return;
    const { data, layout } = this.figure;
    this.stale = false;
    put(layout, { ...colours(this.place), ...this.size(), datarevision: (this.revision += 1) });
    if (this.left) put(layout, { "margin.l": this.left });
    await this.Plotly.react(this.place, data, layout, this.config);
    if (!this.drawn) this.listen();
    await this.fit();
  }

  async resize() {
    const size = this.size();
    if (!this.figure || !size || Object.keys(size).every((side) => size[side] === this.figure.layout[side])) return;
    this.stale = true;
    await this.redraw();
  }

  // Labels of their own width. Measured only when they are others: plotly would do it at each step.
  async fit() {
    const axis = this.figure.layout.yaxis ?? {};
    if (axis.automargin !== false || axis.visible === false) return;
    const ticks = [...this.place.querySelectorAll(".ytick text")];
    const labels = ticks.map((tick) => tick.textContent).join("|");
    if (labels === this.labels) return;
    this.labels = labels;
    const left = 10 + Math.ceil(Math.max(0, ...ticks.map((tick) => tick.getBBox().width)));
    if (left === this.left) return;
    this.left = left;
    await this.Plotly.relayout(this.place, { "margin.l": left });
  }

  listen() {
    this.drawn = true;
    this.place.on("plotly_relayout", (what) => {
      if ("xaxis.range[0]" in what) this.zoomed = true;
    });
    // Back to following the time.
    this.place.on("plotly_doubleclick", () => setTimeout(() => (this.zoomed = false)));
  }

  async showButtons() {
    this.config = { ...CONFIG, displayModeBar: "hover", modeBarButtons: [BUTTONS] };
    this.stale = this.drawn;
    await this.redraw();
  }

  // What each line is called, beside its own mark; pressed, it hides the line.
  entries({ data, layout }) {
    const styles = { solid: "solid", dot: "dotted" };
    if (data.length < 2) return [];
    const others = layout.legend?.title?.text;
    const more = others ? [element("span", "lk-more", { textContent: others })] : [];
    return data.map(({ name, line }, index) => {
      const mark = element("span", "lk-mark");
      mark.style.borderTop = `3px ${styles[line.dash] ?? "dashed"} ${line.color}`;
      const entry = element("button", "lk-entry", { type: "button" }, mark, plain(name ?? ""));
      const show = () => entry.setAttribute("aria-pressed", String(!this.hidden.has(name)));
      entry.addEventListener("click", () => {
        if (!this.hidden.delete(name)) this.hidden.add(name);
        show();
        this.then(() => this.Plotly.restyle(this.place, { visible: !this.hidden.has(name) }, [index]));
      });
      show();
      return entry;
    }).concat(more);
  }

  recolour() {
    if (this.drawn) this.then(() => this.Plotly.relayout(this.place, colours(this.place)));
  }

  says() {
    const number = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 4 });
    const last = (values) => [...(values ?? [])].reverse().find((value) => value !== null);
    return (this.place.data ?? [])
      .filter((trace) => trace.type === "scatter" || !trace.type)
      .slice(0, 10)
      .map((trace) => [trace.name, last(trace.y)])
      .filter(([, value]) => typeof value === "number")
      .map(([name, value]) => `${plain(name ?? "")} ${number.format(value)}`)
      .join(", ");
  }

  end() {
    this.sight.disconnect();
    this.sizes.disconnect();
    this.then(() => this.Plotly.purge(this.place));
  }
}

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
    if (column) part.style.gridColumn = `${column} / span ${width}`;
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
