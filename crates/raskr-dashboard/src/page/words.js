// Figures as people read them, and elements filled with text: nothing that came from the cluster is ever markup.

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

export function bytes(count) {
  let unit = 0;
  while (count >= 1000 && unit < UNITS.length - 1) {
    count /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || count >= 100 ? 0 : count >= 10 ? 1 : 2;
  return `${count.toFixed(digits)} ${UNITS[unit]}`;
}

export function number(count) {
  return count.toLocaleString("en", { maximumFractionDigits: count < 10 ? 1 : 0 });
}

export function duration(seconds) {
  if (!(seconds > 0)) return "0 s";
  if (seconds < 1e-3) return `${(seconds * 1e6).toFixed(0)} µs`;
  if (seconds < 0.1) return `${(seconds * 1e3).toFixed(seconds < 0.01 ? 1 : 0)} ms`;
  if (seconds < 1) return `${(seconds * 1e3).toFixed(0)} ms`;
  if (seconds < 100) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

export function byId(id) {
  return document.getElementById(id);
}

// Sets text only where it changed, so that what somebody selected stays selected.
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function make(tag, className = "", text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}

// A large figure and a small remark beside it.
export function figure(element, large, small = "") {
  if (!element.firstChild || element.childNodes.length !== 2) {
    element.replaceChildren(document.createTextNode(""), make("span"));
  }
  if (element.firstChild.data !== large) element.firstChild.data = large;
  say(element.lastChild, small);
}

const LIGHT = ["#2f6fde", "#e07b28", "#23936a", "#8a63d2", "#b58900", "#1298b0", "#c2478f", "#6b8e23", "#7a6a5d"];
const DARK = ["#6ea8ff", "#ffa75e", "#58cfa0", "#b79bff", "#e0c24a", "#55cde0", "#f287c4", "#a9cf5e", "#bfae9f"];
const known = new Map();

// Groups take colours in the order in which they appear, the same on all of the page.
export function colour(group) {
  if (!known.has(group)) known.set(group, known.size);
  const palette = isDark() ? DARK : LIGHT;
  return palette[known.get(group) % palette.length];
}

export function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

export function ink(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// A canvas as sharp as the screen; gives its context and its size in the page's own units.
export function canvas(element, height = element.clientHeight) {
  const ratio = devicePixelRatio || 1;
  const width = element.clientWidth;
  if (element.width !== Math.round(width * ratio) || element.height !== Math.round(height * ratio)) {
    element.width = Math.round(width * ratio);
    element.height = Math.round(height * ratio);
  }
  const context = element.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}
