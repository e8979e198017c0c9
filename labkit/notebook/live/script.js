// plotly.js, as a live figure of this kernel finds it; see script.py.

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
