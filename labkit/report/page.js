// Fits each figure to its column, and to paper: a page that is printed hears nothing of its new width.
const PAPER = 640;
const TIGHT = 500; // below, each name of a legend has a line of its own
const LINE = 18;
const CHARACTER = 6;

const isWide = (figure) => figure.closest(".wide");
const needs = (figure) => Number(figure.closest("[data-needs]")?.dataset.needs ?? 0);
const figures = () => [...document.querySelectorAll(".plotly-graph-div")];

// Names stand beside their rows or, where there is no room, above them: long ones in two lines.
function naming(figure, above, width) {
  const names = [...new Set(figure.data.flatMap((trace) => trace.y))];
  const broken = (name) => (name.length * CHARACTER > width ? name.replace(" <b>", "<br><b>") : name);
  return {
    "yaxis.tickvals": names,
    "yaxis.ticktext": above ? names.map(broken) : names,
    "yaxis.ticklabelposition": above ? "inside" : "outside",
    "yaxis.ticklabelshift": above ? -21 : 0,
    "yaxis.tickfont.size": above ? 10 : 12,
    "margin.l": above ? 12 : figure.given.left,
    "margin.r": above ? 80 : figure.given.right,
  };
}

function fit(figure, width, size) {
  const { height: usual, margin } = figure.layout;
  figure.given ??= { height: usual, left: margin?.l ?? null, right: margin?.r ?? null };
  const names = figure.closest("[data-needs]");
  const above = width < needs(figure);
  const tight = width < TIGHT;
  const entries = figure.data.filter((trace) => trace.name && trace.showlegend !== false).length;
  const more = (above ? names.dataset.rows * LINE : 0) + (tight && entries > 3 ? entries * LINE : 0);
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
    figure.style.zoom = PAPER / width;
  }
}

function toScreen() {
  for (const figure of figures()) {
    figure.style.zoom = "";
    if (!isWide(figure)) fit(figure, figure.parentElement.clientWidth, { autosize: true, width: null });
  }
}

addEventListener("load", toScreen);
addEventListener("resize", toScreen);
addEventListener("beforeprint", toPaper);
addEventListener("afterprint", toScreen);
