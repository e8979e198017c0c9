// Paper has a width of its own, and a page that is printed sends no event when its width changes.
const PAPER = 640;

function figures() {
  return [...document.querySelectorAll(".plotly-graph-div")];
}

addEventListener("beforeprint", () => {
  document.querySelectorAll("details").forEach((folded) => (folded.open = true));
  for (const figure of figures()) {
    const wide = figure.layout.width ?? 0;
    if (wide > PAPER) figure.style.zoom = PAPER / wide;
    else Plotly.relayout(figure, { autosize: false, width: PAPER });
  }
});

addEventListener("afterprint", () => {
  for (const figure of figures()) {
    if (figure.style.zoom) figure.style.zoom = "";
    else Plotly.relayout(figure, { autosize: true, width: null });
  }
});
