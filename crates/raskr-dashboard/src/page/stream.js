// The task stream: one row a thread, one rectangle a task or several short ones, the newest at the right.

import { byId, canvas, colour, duration, ink, number, say } from "./words.js";

const SPANS_MAX = 30000;
const KEPT_SECONDS = 180;
// Spans come late by a period and the way; the right edge lags behind, so that they appear where they belong.
const LAG_SECONDS = 1;
const AXIS = 20;
const FRAME_MS = 50;

// Fields of a span as they are sent.
const WORKER = 0, ROW = 1, GROUP = 2, START = 3, STOP = 4, BUSY = 5, TASKS = 6, KEY = 7, FAILED = 8;

const element = byId("stream");
const tip = byId("tip");
let spans = [];
let rows = [];
let places = new Map();
let skew = null;
let shown = 30;
let pointer = null;
let frozen = null;
let drawn = 0;

export function forget() {
  spans = [];
}

// The scheduler's clock, from what it said last.
export function clock(seconds) {
  const offset = seconds - performance.now() / 1000;
  // Words that were long on their way would set the clock back.
  skew = skew === null || offset > skew || skew - offset > 5 ? offset : skew - 0.05 * (skew - offset);
}

export function add(lists) {
  for (const list of lists) spans.push(...list);
  const oldest = performance.now() / 1000 + (skew ?? 0) - KEPT_SECONDS;
  if (spans.length > SPANS_MAX) spans = spans.slice(-SPANS_MAX);
  if (skew !== null && spans.length && spans[0][STOP] < oldest) spans = spans.filter((span) => span[STOP] >= oldest);
}

// Rows are those of the workers that are there, and of those whose tasks are still to be seen.
export function lay(workers) {
  const threads = new Map(workers.map((worker) => [worker.name, worker.threads]));
  for (const span of spans) {
    threads.set(span[WORKER], Math.max(threads.get(span[WORKER]) ?? 0, span[ROW] + 1));
  }
  const names = [...threads.keys()].sort((one, other) => one.localeCompare(other, "en", { numeric: true }));
  rows = [];
  places = new Map();
  for (const name of names) {
    places.set(name, rows.length);
    for (let row = 0; row < threads.get(name); row += 1) rows.push({ name, row });
  }
}

function shape() {
  const many = Math.max(rows.length, 1);
  const each = many <= 12 ? 20 : many <= 24 ? 14 : many <= 60 ? 8 : many <= 150 ? 4 : 3;
  return { each, height: Math.max(many * each, 60) + AXIS, margin: element.clientWidth < 600 ? 52 : 110 };
}

function draw() {
  const { each, height, margin } = shape();
  element.style.height = `${height}px`;
  const { context, width } = canvas(element, height);
  const now = frozen ?? performance.now() / 1000 + (skew ?? 0) - LAG_SECONDS;
  const begin = now - shown;
  const scale = (width - margin) / shown;
  const gap = each >= 8 ? 2 : each >= 4 ? 1 : 0;
  const [line, soft, faint] = [ink("--line"), ink("--soft"), ink("--faint")];
  context.font = "11px system-ui, sans-serif";
  context.textBaseline = "middle";

  // Names of workers, as many as fit, and lines between workers.
  let free = 0;
  rows.forEach(({ name, row }, index) => {
    const y = index * each;
    context.fillStyle = faint;
    if (each >= 8) context.fillRect(margin, y + each - gap / 2 - 0.5, width - margin, 0.5);
    if (row !== 0) return;
    context.fillStyle = line;
    if (index > 0 && each >= 4) context.fillRect(0, y - gap / 2, width, 1);
    if (y < free) return;
    context.fillStyle = soft;
    context.fillText(fit(context, name, margin - 8), 0, y + Math.max(each / 2, 7));
    free = y + 14;
  });

  const step = [1, 2, 5, 10, 20, 30].find((seconds) => seconds * scale >= 70) ?? 60;
  for (let ago = 0; ago < shown; ago += step) {
    const x = width - ago * scale;
    context.fillStyle = line;
    context.fillRect(x - 0.5, 0, 1, height - AXIS);
    context.fillStyle = soft;
    context.textAlign = ago === 0 ? "right" : "center";
    context.fillText(ago === 0 ? "now" : `−${ago} s`, x, height - AXIS / 2);
  }
  context.textAlign = "left";

  let seen = 0;
  let groups = "";
  const red = ink("--red");
  context.save();
  context.beginPath();
  context.rect(margin, 0, width - margin, height - AXIS);
  context.clip();
  for (const span of spans) {
    if (span[STOP] < begin || span[START] > now) continue;
    seen += 1;
    const place = places.get(span[WORKER]);
    if (place === undefined) continue;
    const x = margin + (span[START] - begin) * scale;
    const y = (place + span[ROW]) * each + gap / 2;
    const long = Math.max((span[STOP] - span[START]) * scale, 1);
    if (groups !== span[GROUP]) {
      groups = span[GROUP];
      context.fillStyle = colour(groups);
    }
    // Where tasks left a thread idle in between, they are drawn lighter.
    const share = span[TASKS] > 1 ? span[BUSY] / Math.max(span[STOP] - span[START], 1e-9) : 1;
    context.globalAlpha = Math.max(Math.min(share, 1), 0.25);
    context.fillRect(x, y, long > 3 ? long - 0.6 : long, each - gap);
    if (span[FAILED]) {
      context.globalAlpha = 1;
      context.fillStyle = red;
      context.fillRect(x, y, Math.max(long, 2), each - gap);
      context.fillStyle = ink("--panel");
      if (long > 6) context.fillRect(x + 1.5, y + (each - gap) / 2 - 0.75, long - 3, 1.5);
      groups = "";
    }
  }
  context.restore();
  byId("stream-empty").hidden = seen > 0;
}

function fit(context, text, width) {
  if (context.measureText(text).width <= width) return text;
  let kept = text.length;
  while (kept > 1 && context.measureText(`${text.slice(0, kept)}…`).width > width) kept -= 1;
  return `${text.slice(0, kept)}…`;
}

function find(event) {
  const box = element.getBoundingClientRect();
  const { each, margin } = shape();
  const x = event.clientX - box.left;
  const row = Math.floor((event.clientY - box.top) / each);
  if (row < 0 || row >= rows.length || x < margin) return null;
  const now = frozen ?? performance.now() / 1000 + (skew ?? 0) - LAG_SECONDS;
  const scale = (box.width - margin) / shown;
  const time = now - (box.width - x) / scale;
  const near = 3 / scale;
  let best = null;
  let distance = near;
  for (const span of spans) {
    if (places.get(span[WORKER]) + span[ROW] !== row) continue;
    const away = Math.max(span[START] - time, time - span[STOP], 0);
    if (away <= distance) {
      best = span;
      distance = away;
    }
  }
  return best;
}

function tell() {
  const span = pointer && find(pointer);
  tip.hidden = !span;
  if (!span) return;
  const lasted = duration(span[STOP] - span[START]);
  if (span[TASKS] > 1) {
    say(tip.firstChild, `${number(span[TASKS])} tasks of ${span[GROUP]}`);
    say(tip.lastChild, `${duration(span[BUSY])} of ${lasted}, the first ${span[KEY]}, on ${span[WORKER]}`);
  } else {
    say(tip.firstChild, span[KEY]);
    say(tip.lastChild, `${span[FAILED] ? "failed after " : ""}${lasted} on ${span[WORKER]}`);
  }
  const x = Math.min(pointer.clientX + 14, innerWidth - tip.offsetWidth - 8);
  const y = pointer.clientY + 18 + tip.offsetHeight > innerHeight ? pointer.clientY - tip.offsetHeight - 10 : pointer.clientY + 18;
  tip.style.transform = `translate(${Math.max(x, 8)}px, ${y}px)`;
}

function frame(time) {
  requestAnimationFrame(frame);
  if (time - drawn < FRAME_MS) return;
  drawn = time;
  draw();
  tell();
}

export function begin() {
  // Under the pointer time stands still, so that a task can be looked at.
  const look = (event) => {
    frozen ??= performance.now() / 1000 + (skew ?? 0) - LAG_SECONDS;
    pointer = event;
    say(byId("stream-note"), "held while you look");
  };
  const leave = () => {
    frozen = pointer = null;
    say(byId("stream-note"), "");
  };
  element.addEventListener("pointermove", look);
  element.addEventListener("pointerdown", look);
  element.addEventListener("pointerleave", leave);
  element.addEventListener("pointercancel", leave);
  const buttons = [...document.querySelectorAll("[data-window]")];
  const choose = (seconds) => {
    shown = seconds;
    for (const button of buttons) button.setAttribute("aria-pressed", String(Number(button.dataset.window) === seconds));
  };
  for (const button of buttons) button.addEventListener("click", () => choose(Number(button.dataset.window)));
  choose(shown);
  requestAnimationFrame(frame);
}
