// Shows the state of a log at a moment, and what led there. All text comes in as text:
// nothing from the server is ever taken as markup.
"use strict";

const $ = (id) => document.getElementById(id);
const slider = $("slider"), number = $("position"), live = $("live");
let end = 0, isLive = true, asked = 0;

/** A row of cells; a cell is a text, a number, or an element. */
function row(cells, header = true) {
  const tr = document.createElement("tr");
  cells.forEach((cell, index) => {
    const td = document.createElement(header && index === 0 ? "th" : "td");
    if (header && index === 0) td.scope = "row";
    td.append(cell ?? "");
    tr.append(td);
  });
  return tr;
}

function mark(text, good) {
  const span = document.createElement("span");
  span.className = good ? "good" : "bad";
  span.textContent = text;
  return span;
}

function fill(id, rows, empty) {
  const body = document.querySelector(`#${id} tbody`);
  const none = () => {
    const tr = row([empty], false);
    tr.firstChild.colSpan = 9;
    tr.className = "quiet";
    return tr;
  };
  body.replaceChildren(...(rows.length ? rows : [none()]));
}

async function get(path, params = {}) {
  const query = new URLSearchParams(Object.entries(params).filter(([, v]) => v !== "" && v != null));
  const response = await fetch(`${path}?${query}`);
  const body = await response.json();
  if (!response.ok) throw new Error(body.error ?? response.statusText);
  return body;
}

function complain(error) {
  $("error").textContent = error ? error.message : "";
  $("error").hidden = !error;
}

function showClusters(state, ready) {
  const rows = Object.entries(state.clusters).map(([name, c]) => {
    const nodes = Object.entries(c.nodes);
    const count = ready[name];
    const phase = c.hibernated ? "hibernated" : c.phase.toLowerCase();
    const places = nodes.map(([n, node]) => `${n} on ${node.hypervisor}${node.removing ? " (leaves)" : ""}`);
    const all = count === nodes.length && nodes.length > 0;
    return row([name, mark(phase, phase === "ready"), c.kubernetes_version, mark(`${count}/${nodes.length}`, all), places.join(", ")]);
  });
  fill("clusters", rows, "There are none.");
}

function showHypervisors(state) {
  const on = {};
  for (const [cluster, c] of Object.entries(state.clusters)) {
    for (const [node, n] of Object.entries(c.nodes)) (on[n.hypervisor] ??= []).push(`${cluster}/${node}`);
  }
  const rows = Object.entries(state.hypervisors).map(([name, h]) => {
    const [reach, detail] = typeof h.reach === "string" ? [h.reach, ""] : Object.entries(h.reach)[0];
    const kind = (h.spec.public ? "public" : "private") + (h.cordoned ? ", cordoned" : "");
    return row([name, kind, mark(`${reach.toLowerCase()} ${detail}`.trim(), reach === "Reachable"), (on[name] ?? []).join(", ")]);
  });
  fill("hypervisors", rows, "There are none.");
}

function showJobs(jobs) {
  const rows = jobs.map((j) => row([j.id, j.cluster, j.hypervisor, j.failures ? mark(j.failures, false) : "0", j.message]));
  fill("jobs", rows, "Nothing is owed.");
}

function eventRow(e) {
  const about = [e.cluster, e.node, e.hypervisor].filter(Boolean).join("/");
  return row([String(e.position), e.time, e.actor, e.event, about, e.summary]);
}

/** Shows the moment at a position; only the answer to the last question counts. */
async function show(position) {
  const question = ++asked;
  try {
    const [moment, past] = await Promise.all([
      get("/api/state", { at: position }),
      get("/api/events", { to: position, from: Math.max(1, position - 100) }),
    ]);
    if (question !== asked) return;
    end = Math.max(end, moment.end);
    slider.max = number.max = end;
    slider.value = number.value = moment.position;
    $("time").textContent = moment.time;
    $("hash").textContent = `State hash ${moment.hash}`;
    showClusters(moment.state, moment.ready);
    showHypervisors(moment.state);
    showJobs(moment.jobs);
    fill("events", past.events.reverse().map(eventRow), "Nothing has happened.");
    $("names").replaceChildren(...Object.keys(moment.state.clusters).map((name) => new Option(name)));
    document.body.dataset.position = moment.position;
    complain();
  } catch (error) {
    if (question === asked) complain(error);
  }
}

function setLive(on) {
  isLive = on;
  live.setAttribute("aria-pressed", String(on));
  if (on) show(end);
}

async function showTimeline(cluster) {
  const { steps } = await get("/api/timeline", { cluster });
  const times = steps.map((s) => Date.parse(s.start));
  const begin = Math.min(...times), last = Math.max(...steps.map((s, i) => times[i] + s.tookMs));
  const share = (ms) => `${(100 * ms) / Math.max(1, last - begin)}%`;
  const items = steps.map((s, i) => {
    const li = document.createElement("li");
    const [at, what, took, track] = ["a", "span", "span", "span"].map((tag) => document.createElement(tag));
    at.href = "#clusters";
    at.textContent = `+${((times[i] - begin) / 1000).toFixed(1)} s`;
    at.title = `Show position ${s.position}`;
    at.addEventListener("click", () => { setLive(false); show(s.position); });
    what.textContent = `${s.what} (${s.actor}): ${s.changed.join("; ")}`;
    took.textContent = s.tookMs ? `${(s.tookMs / 1000).toFixed(2)} s` : "";
    track.className = "track";
    const bar = document.createElement("span");
    bar.className = "bar";
    bar.style.insetInlineStart = share(times[i] - begin);
    bar.style.inlineSize = share(s.tookMs);
    track.append(bar);
    li.append(at, what, took, track);
    return li;
  });
  $("spans").replaceChildren(...items);
}

async function showDifference() {
  const { text } = await get("/api/diff", { a: $("diff-a").value, b: $("diff-b").value, cluster: $("diff-cluster").value });
  const lines = (text || "They are equal.\n").split("\n").map((line) => {
    const span = document.createElement("span");
    if (/^\+(?!\+\+)/.test(line)) span.className = "plus";
    if (/^-(?!--)/.test(line)) span.className = "minus";
    span.textContent = span.className ? line : `${line}\n`;
    return span;
  });
  $("difference").replaceChildren(...lines);
}

slider.addEventListener("input", () => { setLive(false); show(Number(slider.value)); });
number.addEventListener("change", () => { setLive(false); show(Number(number.value)); });
live.addEventListener("click", () => setLive(!isLive));
$("moment").addEventListener("submit", (event) => event.preventDefault());
for (const [form, action] of [
  ["timeline-of", () => showTimeline($("timeline-cluster").value)],
  ["diff-of", showDifference],
]) {
  $(form).addEventListener("submit", (event) => {
    event.preventDefault();
    action().then(() => complain(), complain);
  });
}

const events = new EventSource("/api/watch");
events.onmessage = (message) => {
  const entries = JSON.parse(message.data);
  end = Math.max(end, ...entries.map((e) => e.position));
  slider.max = number.max = end;
  if (isLive) show(end);
};

get("/api/state").then((now) => {
  end = now.end;
  $("diff-b").value = end;
  return show(end);
}).catch(complain);
