// The lab's tiles in JupyterLab's launcher, in a group of their own. What JupyterLab expects of an extension is written by
// hand, so that nothing has to be built.

const PATH = "Start the lab.ipynb";
const UP = `from labkit import Stack, controls, dashboard, live

stack = Stack.up(ports="auto", scrape_interval=1, flush_interval=1)
stack.start_traffic(rate=20)
controls(stack)`;
// In the order in which a value passes them.
const SERVICES = ["store", "sidecar", "prometheus", "grafana", "locust"];

// JupyterLab's own modules, by name and version.
let shared;

async function its(name) {
  const [version] = Object.values(shared[name]);
  return (await version.get())();
}

function cell(source, hidden) {
  return { cell_type: "code", source, metadata: { jupyter: hidden }, outputs: [], execution_count: null };
}

function notebook() {
  return {
    cells: [
      cell(UP, { source_hidden: true }),
      // Shown beside the notebook.
      cell("live(dashboard)", { source_hidden: true, outputs_hidden: true }),
    ],
    metadata: { kernelspec: { name: "python3", display_name: "Python 3 (ipykernel)", language: "python" } },
    nbformat: 4,
    nbformat_minor: 4,
  };
}

async function written(contents) {
  const { content } = await contents.get("", { content: true });
  if (!content.some(({ name }) => name === PATH))
    await contents.save(PATH, { type: "notebook", format: "json", content: notebook() });
}

function isBeside(panel) {
  return ({ content }) => content?.id?.startsWith("LinkedOutputView-") && content.path === panel.context.path;
}

async function run({ commands, shell }, panel) {
  await panel.context.ready;
  await panel.sessionContext.ready;
  shell.activateById(panel.id);
  shell.collapseLeft?.(); // two need the width
  await commands.execute("notebook:run-all-cells");
  if ([...shell.widgets("main")].some(isBeside(panel))) return;
  shell.activateById(panel.id);
  panel.content.activeCellIndex = panel.content.widgets.findLastIndex((widget) => widget.model.type === "code");
  await commands.execute("notebook:create-output-view");
  const view = [...shell.widgets("main")].find(isBeside(panel));
  if (view) shell.add(view, "main", { ref: panel.id, mode: "split-right" });
}

async function plugin() {
  const [{ ILauncher }, { LabIcon }, { PageConfig }, { showErrorMessage }] = await Promise.all(
    ["@jupyterlab/launcher", "@jupyterlab/ui-components", "@jupyterlab/coreutils", "@jupyterlab/apputils"].map(its),
  );
  const url = PageConfig.getBaseUrl();

  async function icon(name) {
    const drawn = await fetch(`${PageConfig.getOption("fullLabextensionsUrl")}/labkit/static/icons/${name}.svg`);
    return new LabIcon({ name: `labkit:${name}`, svgstr: await drawn.text() });
  }

  async function start(app) {
    await written(app.serviceManager.contents);
    const panel = await app.commands.execute("docmanager:open", { path: PATH, factory: "Notebook" });
    run(app, panel).catch((error) => showErrorMessage("The lab did not start", error));
    return panel; // in place of the launcher
  }

  async function activate(app, launcher) {
    const add = (command, options, rank) => {
      app.commands.addCommand(command, options);
      launcher.add({ command, category: "labkit", categoryRank: -1, rank });
    };
    const caption = "The control panel and the live dashboard, side by side, with traffic flowing";
    const execute = () => start(app);
    add("labkit:start", { label: "Start the lab", caption, icon: await icon("start"), execute }, 0);
    const answer = await fetch(`${url}server-proxy/servers-info`, { credentials: "same-origin" });
    for (const { name, launcher_entry: entry } of (await answer.json()).server_processes)
      if (entry.category === "labkit") {
        const open = () => void window.open(`${url}${entry.path_info}`, "_blank", "noopener");
        const options = { label: entry.title, icon: await icon(name), execute: open };
        add(`labkit:${name}`, options, 1 + SERVICES.indexOf(name));
      }
  }

  return { id: "labkit:tiles", autoStart: true, requires: [ILauncher], activate };
}

(window._JUPYTERLAB ??= {}).labkit = {
  init: (modules) => {
    shared = modules;
  },
  get: async () => {
    const made = await plugin();
    return () => ({ __esModule: true, default: made });
  },
};
