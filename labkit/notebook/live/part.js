// One figure of the page, drawn by plotly.

// The size is watched here: plotly sees only the window. Its buttons are costly, and shown once a pointer comes.
const CONFIG = { responsive: false, displaylogo: false, displayModeBar: false };
const LABEL = 75; // px: what the label of a time needs
const BUTTONS = ["toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"];

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
    this.space(layout);
    await this.Plotly.react(this.place, data, layout, this.config);
    if (!this.drawn) this.listen();
    await this.fit();
  }

  // No more labels than there is room for: they lie side by side.
  space({ width, xaxis }) {
    if (!this.own && xaxis?.nticks) {
      this.ticks ??= xaxis.nticks;
      xaxis.nticks = Math.max(2, Math.min(this.ticks, Math.floor(width / LABEL)));
    }
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
