// The page: hears the events, keeps a short history, and fills in what changed.

import * as stream from "./stream.js";
import { byId, bytes, canvas, colour, duration, figure, ink, isDark, make, number, say } from "./words.js";

const HISTORY = 240;
const HISTORY_MIN = 40;
const ROWS_MAX = 200;
const GROUPS_MAX = 40;
const STATES = ["memory", "released", "processing", "queued", "no_worker", "waiting", "erred"];
const STATE_WORDS = {
  memory: "in memory", released: "released", processing: "processing", queued: "queued",
  no_worker: "no worker", waiting: "waiting", erred: "failed",
};

const history = [];
let events = null;
let state = null;
let heard = 0;
let gone = false;
let sorting = { by: "name", up: true };

// The link's token has done its work: the cookie lets this browser come again, and nobody reads it over a shoulder.
if (new URLSearchParams(location.search).has("token")) {
  window.history.replaceState(null, "", location.pathname + location.hash);
}

function listen() {
  if (events || gone || document.hidden) return;
  stream.forget();
  events = new EventSource("events");
  events.addEventListener("state", (event) => {
    heard = performance.now();
    state = JSON.parse(event.data);
    stream.clock(state.time);
    show();
  });
  events.addEventListener("tasks", (event) => {
    stream.add(JSON.parse(event.data));
    if (state) stream.lay(state.workers);
  });
  events.addEventListener("gone", () => {
    gone = true;
    silence();
    status();
  });
  events.addEventListener("error", status);
}

function silence() {
  events?.close();
  events = null;
}

function status() {
  const quiet = (performance.now() - heard) / 1000;
  const refused = events?.readyState === EventSource.CLOSED;
  const [light, words, banner] = gone
    ? ["off", "ended", "The cluster has ended. What is shown was so at the end."]
    : refused
      ? ["off", "refused", "The dashboard no longer takes this page: open the cluster's link again."]
      : !heard
        ? ["", "connecting", ""]
        : quiet > 5
          ? ["off", `silent for ${duration(Math.floor(quiet))}`, "Nothing has been heard of the scheduler for a while. What is shown may be out of date."]
          : ["on", "live", ""];
  byId("light").className = light;
  say(byId("live"), words);
  byId("banner").hidden = !banner;
  say(byId("banner"), banner);
}

const sum = (list, field) => list.reduce((total, item) => total + item[field], 0);

function show() {
  const { cluster, workers } = state;
  say(byId("address"), cluster.address);
  say(byId("about"), [cluster.version && `raskr ${cluster.version}`, cluster.started && `up ${duration(state.time - cluster.started)}`, cluster.pid && `pid ${cluster.pid}`].filter(Boolean).join(" · "));
  const totals = {
    time: state.time,
    threads: sum(workers, "threads"),
    cpu: sum(workers, "cpu"),
    process: sum(workers, "process"),
    stored: sum(workers, "stored"),
    spilled: sum(workers, "spilled"),
    limit: workers.every((worker) => worker.memory_limit) ? sum(workers, "memory_limit") : 0,
    finished: state.counters.finished,
  };
  const before = history.at(-1);
  // A page that was out of sight knows the mean only.
  totals.rate = before ? Math.max(totals.finished - before.finished, 0) / Math.max(totals.time - before.time, 0.1) : 0;
  history.push(totals);
  if (history.length > HISTORY) history.shift();
  document.title = workers.length ? `raskr · ${workers.length} workers` : "raskr";
  tiles(totals);
  stream.lay(workers);
  tasks();
  table();
  log();
  status();
}

function tiles(totals) {
  const { workers, counters } = state;
  const odd = ["paused", "silent", "retiring"]
    .map((status) => [status, workers.filter((worker) => worker.status === status).length])
    .filter(([, count]) => count)
    .map(([status, count]) => `${count} ${status}`);
  figure(byId("tile-workers"), number(workers.length), `${number(totals.threads)} threads`);
  say(byId("tile-workers-more"), [...odd, counters.workers_lost && `${number(counters.workers_lost)} lost`, `${number(state.clients)} ${state.clients === 1 ? "client" : "clients"}`].filter(Boolean).join(" · "));
  figure(byId("tile-cpu"), totals.threads ? `${Math.round((100 * totals.cpu) / totals.threads)} %` : "–", totals.threads ? `${totals.cpu.toFixed(1)} of ${totals.threads} threads` : "");
  figure(byId("tile-memory"), bytes(totals.process), [totals.limit && `of ${bytes(totals.limit)}`, totals.spilled && `${bytes(totals.spilled)} on disk`].filter(Boolean).join(", "));
  figure(byId("tile-rate"), number(totals.rate), `${number(counters.finished)} done since the start`);
  figure(byId("tile-lag"), duration(state.loop_lag), "longest wait for its loop");
  byId("tile-lag").classList.toggle("bad", state.loop_lag > 0.5);
  say(byId("tile-lag-more"), counters.failed ? `${number(counters.failed)} tasks have failed` : "no task has failed");
  chart(byId("chart-cpu"), [["cpu", "--blue"]], totals.threads);
  chart(byId("chart-memory"), [["process", "--pale"], ["stored", "--blue"]], totals.limit);
  chart(byId("chart-rate"), [["rate", "--green"]], 0);
}

// Areas over the time that this page has seen, the newest at the right.
function chart(element, series, most) {
  const { context, width, height } = canvas(element);
  const top = Math.max(most, ...series.map(([field]) => Math.max(...history.map((entry) => entry[field])))) || 1;
  const x = (index) => width - ((history.length - 1 - index) * width) / Math.max(history.length - 1, HISTORY_MIN);
  for (const [field, tint] of series) {
    context.beginPath();
    context.moveTo(x(0), height);
    history.forEach((entry, index) => context.lineTo(x(index), height - 1 - (entry[field] / top) * (height - 4)));
    context.lineTo(width, height);
    context.closePath();
    context.fillStyle = context.strokeStyle = ink(tint);
    context.globalAlpha = 0.22;
    context.fill();
    context.globalAlpha = 0.9;
    context.lineWidth = 1.2;
    context.stroke();
    context.globalAlpha = 1;
  }
}

// A bar of parts; keeps its elements.
function parts(bar, shares) {
  while (bar.children.length < shares.length) bar.append(make("i"));
  shares.forEach(([className, share], index) => {
    const part = bar.children[index];
    if (part.className !== className) part.className = className;
    part.style.width = `${(100 * Math.max(share, 0)).toFixed(2)}%`;
  });
}

// Elements for items by name: kept where they are, made where they are new, taken away where nothing is left to tell.
function keep(parent, items, name, create, fill) {
  const old = new Map([...parent.children].map((child) => [child.dataset.name, child]));
  items.forEach((item, index) => {
    const key = name(item);
    const child = old.get(key) ?? create(item);
    old.delete(key);
    child.dataset.name = key;
    if (parent.children[index] !== child) parent.insertBefore(child, parent.children[index] ?? null);
    fill(child, item);
  });
  for (const child of old.values()) child.remove();
}

const all = (tasks) => STATES.reduce((total, name) => total + tasks[name], 0);

function tasks() {
  const total = all(state.tasks);
  const classOf = (name) => name.replace("_", "-");
  parts(byId("states"), STATES.map((name) => [classOf(name), total ? state.tasks[name] / total : 0]));
  keep(
    byId("states-legend"),
    STATES.filter((name) => state.tasks[name] || !["no_worker", "released", "erred"].includes(name)),
    (name) => name,
    (name) => {
      const item = make("li");
      item.append(make("i", classOf(name)), STATE_WORDS[name], make("b"));
      return item;
    },
    (item, name) => say(item.lastChild, number(state.tasks[name])),
  );
  say(byId("tasks-note"), total ? `${number(total)} known to the scheduler` : "");
  const groups = state.groups.slice(0, GROUPS_MAX);
  keep(byId("groups"), groups, (group) => group.name, newGroup, fillGroup);
  byId("groups-empty").hidden = groups.length > 0;
}

function newGroup(group) {
  const item = make("li");
  const name = make("div", "name");
  name.append(make("i"), make("b", "", group.name), make("small"));
  name.children[1].title = group.name;
  item.append(name, make("div", "bar"));
  return item;
}

function fillGroup(item, group) {
  const { tasks } = group;
  const total = all(tasks) || 1;
  const done = tasks.memory + tasks.released;
  item.style.setProperty("--group", colour(group.name));
  const [dot, , small] = item.firstChild.children;
  dot.style.background = colour(group.name);
  const words = [`${number(done)} of ${number(all(tasks))}`, tasks.processing && `${number(tasks.processing)} at work`, tasks.erred && `${number(tasks.erred)} failed`, group.mean && `${duration(group.mean)} each`];
  say(small, words.filter(Boolean).join(" · "));
  parts(item.lastChild, [["done", done / total], ["now", tasks.processing / total], ["erred", tasks.erred / total]]);
}

function table() {
  const { by, up } = sorting;
  const order = (one, other) =>
    by === "name" ? one.name.localeCompare(other.name, "en", { numeric: true }) : one[by] - other[by];
  const workers = [...state.workers].sort((one, other) => (up ? order(one, other) : order(other, one)));
  keep(byId("worker-rows"), workers.slice(0, ROWS_MAX), (worker) => worker.address, newRow, fillRow);
  say(byId("workers-note"), workers.length > ROWS_MAX ? `${ROWS_MAX} of ${number(workers.length)} are shown` : "");
  byId("workers-empty").hidden = workers.length > 0;
  byId("workers").querySelector(".scroll").hidden = byId("memory-legend").hidden = workers.length === 0;
}

function newRow(worker) {
  const row = make("tr");
  const who = make("td", "who");
  const line = make("div");
  line.append(make("b"), make("span", "pill"));
  who.append(line, make("small", "", worker.address));
  row.append(who);
  for (let index = 0; index < 2; index += 1) {
    const cell = make("td", "wide");
    const words = make("div", "figure");
    words.append(make("span"), make("span"));
    cell.append(words, make("div", "bar"));
    row.append(cell);
  }
  for (const label of ["Spilled", "Running", "Assigned", "Values"]) {
    const cell = make("td", "number");
    cell.append(make("small", "label", label), make("span"));
    row.append(cell);
  }
  return row;
}

function fillRow(row, worker) {
  const [who, cpu, memory, spilled, running, processing, values] = row.children;
  const [name, pill] = who.firstChild.children;
  say(name, worker.name);
  who.title = [worker.address, worker.pid && `pid ${worker.pid}`].filter(Boolean).join(", ");
  pill.hidden = worker.status === "running";
  pill.className = `pill ${worker.status}`;
  say(pill, worker.status === "silent" ? `silent for ${duration(worker.silent)}` : worker.status);
  const threads = worker.threads || 1;
  say(cpu.firstChild.firstChild, `${Math.round(100 * worker.cpu)} %`);
  say(cpu.firstChild.lastChild, worker.threads === 1 ? "1 thread" : `${worker.threads} threads`);
  parts(cpu.lastChild, [["processing", Math.min(worker.cpu / threads, 1)]]);
  const other = Math.max(worker.process - worker.stored, 0);
  const most = Math.max(worker.memory_limit || 0, worker.stored + other, 1);
  say(memory.firstChild.firstChild, bytes(worker.process));
  say(memory.firstChild.lastChild, worker.memory_limit ? `of ${bytes(worker.memory_limit)}` : "no limit");
  memory.title = `${bytes(worker.stored)} are values, ${bytes(other)} the rest of the process`;
  const free = 1 - (worker.stored + other) / most;
  parts(memory.lastChild, [["stored", worker.stored / most], ["other", other / most], ["free", free]]);
  say(spilled.lastChild, worker.spilled ? bytes(worker.spilled) : "–");
  say(running.lastChild, number(worker.running));
  say(processing.lastChild, number(worker.processing));
  say(values.lastChild, number(worker.values));
}

let logged = "";
function log() {
  const last = state.log.at(-1);
  const now = `${state.log.length} ${last?.time} ${last?.text}`;
  if (now === logged) return;
  logged = now;
  byId("log-empty").hidden = state.log.length > 0;
  const lines = state.log.map((line) => {
    const item = make("li", ["warning", "error"].includes(line.level) ? line.level : "");
    const time = make("time", "", new Date(1000 * line.time).toLocaleTimeString("en-GB"));
    item.append(time, make("span", "", line.text));
    return item;
  });
  byId("log-lines").replaceChildren(...lines.reverse());
}

for (const button of document.querySelectorAll("[data-sort]")) {
  button.addEventListener("click", () => {
    const by = button.dataset.sort;
    sorting = { by, up: sorting.by === by ? !sorting.up : by === "name" };
    for (const other of document.querySelectorAll("[data-sort]")) other.removeAttribute("aria-sort");
    button.setAttribute("aria-sort", sorting.up ? "up" : "down");
    if (state) table();
  });
}

// Storage may be forbidden; the choice is then for this page alone.
const remembered = (act) => {
  try {
    return act(localStorage);
  } catch {
    return null;
  }
};
const chosen = remembered((storage) => storage.getItem("raskr-theme"));
if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
byId("theme").addEventListener("click", () => {
  const theme = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  remembered((storage) => storage.setItem("raskr-theme", theme));
  if (state) show();
});

// A page that nobody sees asks for nothing.
document.addEventListener("visibilitychange", () => (document.hidden ? silence() : listen()));
setInterval(status, 1000);
stream.begin();
listen();
