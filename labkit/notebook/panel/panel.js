// The control panel in the browser: controls once, values as often as the kernel looks.

const FAULTS = {
  answering: ["kill", "pause", "stop"],
  silent: ["kill", "pause", "stop"],
  paused: ["resume", "kill", "stop"],
  dead: ["start"],
};
const NAMES = { redis: "Redis", store: "Store", sidecar: "Sidecar", prometheus: "Prometheus" };
const EVENTS = { joined: "joined", looked_around: "looked around", served: "served", left: "left" };
const SHAPES = {
  steady: "steady",
  ramp: "ramp (up within each minute)",
  spike: "spike (12 s in each minute)",
};
const INTERVALS = [0.2, 0.5, 1, 2, 5, 10, 15, 30, 60];
const MARKS = { answering: "✔", silent: "?", paused: "❚❚", dead: "✖" };
// px: what the path needs in four columns, in two, in one. Then its letters are nine tenths as large, or larger.
const WIDE = [850, 430, 0];
const PATIENCE = 250; // ms without another change, until a wish is sent

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function group(title, ...children) {
  return element("fieldset", {}, element("legend", { textContent: title }), ...children);
}

function labelled(text, control) {
  return element("label", {}, element("span", { textContent: text }), control);
}

function choice(values, name) {
  const made = element("select", { name });
  for (const [value, text] of values) made.append(element("option", { value, textContent: text }));
  return made;
}

function patiently(action) {
  let timer;
  const wait = (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      timer = undefined;
      action(...values);
    }, PATIENCE);
  };
  wait.pending = () => timer !== undefined;
  return wait;
}

function trafficControls(send) {
  const rate = element("input", { type: "range", min: 0, max: 200, step: 1, value: 0, name: "rate" });
  const shape = choice(Object.entries(SHAPES), "shape");
  const wanted = element("output", { className: "lk-number", textContent: "0" });
  const sent = element("span", { className: "lk-soft" });
  const none = element("button", { type: "button", textContent: "No traffic" });
  const turn = patiently(() => send({ do: "traffic", rate: Number(rate.value), shape: shape.value }));
  let touched = 0;
  const touch = () => {
    touched = Date.now();
    wanted.value = rate.value;
    rate.setAttribute("aria-valuetext", `${rate.value} requests per second`);
    turn();
  };
  rate.addEventListener("input", touch);
  // Arrows are for the slider; JupyterLab would go to the next cell.
  rate.addEventListener("keydown", (event) => event.stopPropagation());
  shape.addEventListener("change", touch);
  none.addEventListener("click", () => {
    rate.value = 0;
    touch();
  });
  const show = ({ traffic }) => {
    // Not while somebody has a hand on it.
    if (!turn.pending() && Date.now() - touched > 3000) {
      rate.max = traffic.highest;
      rate.value = traffic.rate;
      wanted.value = rate.value;
      shape.value = traffic.shape;
    }
    sent.textContent =
      traffic.sent === null
        ? "Locust does not answer"
        : `sent now: ${traffic.sent.toFixed(0)}/s, failed: ${(100 * traffic.failures).toFixed(0)} %`;
  };
  const slider = element("span", { className: "lk-slider" }, rate, wanted);
  const body = group("Traffic", labelled("Requests per second", slider), labelled("Shape", shape),
    element("div", { className: "lk-row" }, none, sent));
  return { body, show };
}

// Whether somebody is choosing just now; a browser that does not know leaves it as it is.
function isOpen(select) {
  try {
    return select.matches(":open");
  } catch {
    return true;
  }
}

function intervalControls(send) {
  const pick = (option) => {
    const made = choice(INTERVALS.map((seconds) => [seconds, `${seconds} s`]), option);
    made.addEventListener("change", () => send({ do: "tune", option, seconds: Number(made.value) }));
    return made;
  };
  const flush = pick("flush_interval");
  const scrape = pick("scrape_interval");
  const set = (select, seconds, busy) => {
    if (busy || document.activeElement === select && isOpen(select)) return;
    if (![...select.options].some((option) => Number(option.value) === seconds))
      select.prepend(element("option", { value: seconds, textContent: `${seconds} s` }));
    select.value = seconds;
  };
  const show = ({ options, busy }) => {
    const working = busy.includes("intervals");
    set(flush, options.flush_interval, working);
    set(scrape, options.scrape_interval, working);
  };
  const body = group("Intervals", labelled("Store sends to Redis every", flush),
    labelled("Prometheus scrapes every", scrape));
  return { body, show };
}

function faultControls(send) {
  const rows = {};
  const table = element("div", { className: "lk-faults" });
  for (const [service, name] of Object.entries(NAMES)) {
    const state = element("span", { className: "lk-state" });
    const buttons = {};
    const row = element("div", { className: "lk-fault", role: "group" },
      element("span", { className: "lk-name", textContent: name }), state);
    row.setAttribute("aria-label", name);
    for (const fault of ["kill", "pause", "stop", "resume", "start"]) {
      const button = element("button", { type: "button", textContent: fault });
      button.setAttribute("aria-label", `${fault} ${name}`);
      button.addEventListener("click", () => {
        if (button.getAttribute("aria-disabled") !== "true") send({ do: "fault", service, fault });
      });
      buttons[fault] = button;
      row.append(button);
    }
    rows[service] = { state, buttons };
    table.append(row);
  }
  const show = ({ services, busy }) => {
    for (const [service, { state, buttons }] of Object.entries(rows)) {
      const now = services[service];
      const working = busy.includes(service);
      state.textContent = `${MARKS[now]} ${now}${working ? " …" : ""}`;
      state.dataset.state = now;
      // Not `disabled`, which would take the focus away from who just pressed it.
      for (const [fault, button] of Object.entries(buttons))
        button.setAttribute("aria-disabled", String(working || !FAULTS[now].includes(fault)));
    }
  };
  return { body: group("Faults", table), show };
}

function pathView(send) {
  const event = choice(Object.entries(EVENTS), "event");
  event.addEventListener("change", () => send({ do: "event", event: event.value }));
  const picture = element("div", { className: "lk-path" });
  let pictures = [];
  // The one whose letters need not shrink.
  const fit = () => {
    const wide = picture.clientWidth || Infinity;
    const which = pictures[WIDE.findIndex((least) => wide >= least)];
    if (which) picture.innerHTML = which; // drawn by the kernel, with every text escaped
  };
  new ResizeObserver(fit).observe(picture);
  const body = element("section", {}, labelled("Follow the events", event), picture);
  body.setAttribute("aria-label", "The path of the data");
  const show = (reading) => {
    if (document.activeElement !== event) event.value = reading.event;
    pictures = [reading.svg, ...reading.narrow];
    fit();
  };
  return { body, show };
}

// Said aloud: changes of state, and what came of a wish. Not the values of every second.
function newsOf(before, services) {
  const changed = Object.keys(services).filter((name) => before && before[name] !== services[name]);
  return changed.map((name) => `${NAMES[name]} is ${services[name]}.`).join(" ");
}

const ENDED = "This is how it was: the kernel has ended. Run the cell again to turn these knobs.";

function render({ model, el }) {
  const view = newView();
  const alive = living(model, el);
  const send = (message) => alive.check() && model.send(message);
  const parts = [pathView(send), trafficControls(send), intervalControls(send), faultControls(send)];
  const down = element("p", { className: "lk-down", hidden: true });
  const notice = element("p", { className: "lk-notice" });
  const states = element("p", { className: "lk-notice lk-news" });
  for (const live of [notice, states]) live.setAttribute("aria-live", "polite");
  const knobs = element("div", { className: "lk-knobs" }, ...parts.slice(1).map((part) => part.body));
  el.classList.add("lk-controls");
  el.setAttribute("role", "region");
  el.setAttribute("aria-label", "Control panel of the lab");
  if (!alive.check()) {
    // Its picture stands above.
    down.textContent = ENDED;
    down.hidden = false;
    el.append(down);
    return () => {};
  }
  el.append(down, parts[0].body, knobs, states, notice, instead(model));

  let before;
  const showReading = () => {
    const reading = model.get("reading");
    down.hidden = reading.lab !== false;
    // An old number would be taken for a new one.
    el.classList.toggle("lk-gone", reading.lab === false);
    if (reading.lab === false) down.textContent = reading.why;
    if (!reading.lab) {
      before = undefined;
      states.textContent = "";
      return;
    }
    for (const part of parts) part.show(reading);
    const news = newsOf(before, reading.services);
    if (news) states.textContent = news;
    before = reading.services;
  };
  const showNotice = () => {
    const { kind, text } = model.get("notice");
    notice.textContent = text ? `${kind === "error" ? "⚠ " : ""}${text}` : "";
    notice.dataset.kind = kind ?? "";
  };
  const unwatch = alive.watch(() => {
    el.classList.add("lk-off");
    knobs.inert = true;
    down.textContent = ENDED;
    down.hidden = false;
  });
  model.on("change:reading", showReading);
  model.on("change:notice", showNotice);
  showReading();
  showNotice();
  const here = () => send({ do: document.hidden ? "gone" : "here", view });
  const heart = setInterval(() => document.hidden || here(), HEARTBEAT);
  document.addEventListener("visibilitychange", here);
  here();
  return () => {
    clearInterval(heart);
    document.removeEventListener("visibilitychange", here);
    unwatch();
    model.off("change:reading", showReading);
    model.off("change:notice", showNotice);
    send({ do: "gone", view });
  };
}

export default { render };
