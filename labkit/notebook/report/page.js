// Fits each figure to its column, and to paper: a page that is printed hears nothing of its new width.
const PAPER = 640;
const TIGHT = 500; // below, each name of a legend has a line of its own
const LINE = 18;
const CHARACTER = 6;

const isWide = (figure) => figure.closest(".wide");
const needs = (figure) => Number(figure.closest("[data-needs]")?.dataset.needs ?? 0);
const figures = () => [...document.querySelectorAll(".plotly-graph-div")];

// The room for the numbers on the right.
function noted(figure) {
  const texts = (figure.layout.annotations ?? []).map((note) => note.text.replace(/<[^>]*>/g, ""));
  return 30 + 8 * Math.max(0, ...texts.map((text) => text.length));
}

// Names stand beside their rows or, where there is no room, above them: long ones in two lines.
function naming(figure, above, width) {
  const names = [...new Set(figure.data.flatMap((trace) => trace.y))];
  const broken = (name) => (name.length * CHARACTER > width ? name.replace(" <b>", "<br><b>") : name);
  return {
    "yaxis.tickvals": names,
    "yaxis.ticktext": above ? names.map(broken) : names,
    "yaxis.ticklabelposition": above ? "inside" : "outside",
    "xaxis.showticklabels": !above, // each row has its number
    "yaxis.range": [-0.6, names.length - (above ? 0 : 0.4)],
    "yaxis.ticklabelshift": above ? -21 : 0,
    "yaxis.tickfont.size": above ? 10 : 12,
    "margin.l": above ? 12 : figure.given.left,
    "margin.b": above ? 48 : figure.given.bottom,
    "margin.r": above ? noted(figure) : figure.given.right,
  };
}

function fit(figure, width, size) {
  const { height: usual, margin } = figure.layout;
  figure.given ??= { height: usual, left: margin?.l ?? null, bottom: margin?.b ?? null, right: margin?.r ?? null };
  const names = figure.closest("[data-needs]");
  const above = width < needs(figure);
  const tight = width < TIGHT;
  const entries = figure.data.filter((trace) => trace.name && trace.showlegend !== false).length;
  const more = (above ? names.dataset.rows * LINE + LINE : 0) + (tight && entries > 3 ? entries * LINE : 0);
  const height = figure.given.height + more;
  figure.style.height = `${height}px`;
  const ticks = { "xaxis.tickfont.size": tight ? 10 : 12 };
  Plotly.relayout(figure, { height, ...size, ...ticks, ...(names && naming(figure, above, width)) });
}

function toPaper() {
  document.querySelectorAll("details").forEach((folded) => (folded.open = true));
  for (const figure of figures()) {
    const width = isWide(figure) ? figure.layout.width : Math.max(PAPER, needs(figure));
    if (!isWide(figure)) fit(figure, width, { autosize: false, width });
    Object.assign(figure.style, { width: `${width}px`, zoom: PAPER / width });
  }
}

function toScreen() {
  for (const figure of figures()) {
    Object.assign(figure.style, { width: "100%", zoom: "" });
    if (!isWide(figure)) fit(figure, figure.parentElement.clientWidth, { autosize: true, width: null });
  }
}

addEventListener("load", toScreen);
addEventListener("resize", toScreen);
addEventListener("beforeprint", toPaper);
addEventListener("afterprint", toScreen);
