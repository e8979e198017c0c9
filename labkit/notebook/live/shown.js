// What the scripts of all widgets begin with; see shown.py.

const HEARTBEAT = 15000; // ms

function newView() {
  return crypto.randomUUID?.() ?? `${Math.random()}`;
}

// The picture beside a widget gives way to it, wherever it lies: in the other browsers of a notebook that several people
// have open, JupyterLab puts an output that is renewed at the end of its cell.
function instead(model) {
  const style = document.createElement("style");
  const picture = `img[src*="labkit-still-${model.get("picture")}"]`;
  style.textContent = `.jp-OutputArea-child:has(${picture}) { display: none; }`;
  return style;
}

// Whether a kernel is behind it. ipywidgets marks a view that has none when it is made, as in a notebook opened again,
// and tells of a restart; of a kernel that is shut down, JupyterLab's manager knows.
function living(model, el) {
  const kernel = model.widget_manager?.kernel;
  let lost = Boolean(el.closest(".jupyter-widgets-disconnected"));
  const check = () => !lost && !kernel?.isDisposed && kernel?.status !== "dead";
  const signals = [kernel?.disposed, kernel?.statusChanged].filter(Boolean);
  const watch = (ended) => {
    const look = () => check() || ended();
    const restarted = () => {
      lost = true;
      ended();
    };
    model.on("comm_live_update", restarted);
    for (const signal of signals) signal.connect(look);
    return () => {
      model.off("comm_live_update", restarted);
      for (const signal of signals) signal.disconnect(look);
    };
  };
  return { check, watch };
}
