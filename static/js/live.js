/* One stream per tab. A signal becomes an event on <body>; rows and cards listen and fetch themselves. */
const body = document.body, topics = body.dataset.live.trim(), light = document.getElementById("live");
const SILENT = 25000, HIDDEN = 10000, POLL_AFTER = 60000, POLL = 15000, STEP = 1000, BOUND = 100;
const waiting = new Map(), fetching = new Map(), note = document.getElementById("no-news");
const lang = document.documentElement.lang;
const digits = (places) => new Intl.NumberFormat(lang, { minimumFractionDigits: places, maximumFractionDigits: places });
const FORMS = { kw: digits(1), kwh: digits(3), soc: digits(0) };
let stream, news = true, opened = false, lastByte = 0, tries = 0, retry, hiding, lostAt = 0, lastPoll = 0;

function show(state) {
  if (!light || light.dataset.state === state) return;
  light.dataset.state = state === "poll" ? "late" : state;
  const since = new Date(lostAt || Date.now()).toLocaleTimeString(lang, { hour: "2-digit", minute: "2-digit", hour12: false });
  const text = light.dataset[`${state}Text`].replace("{t}", since);
  light.querySelector("span").textContent = light.title = text;
}

function emit(name) { // first at once, then the latest once per second
  const run = () => {
    for (const piece of fetching.keys()) if (piece.getAttribute("hx-trigger")?.includes(`${name} from:body`)) fetching.set(piece, true);
    body.dispatchEvent(new CustomEvent(name, { bubbles: true }));
  };
  if (waiting.has(name)) return void waiting.set(name, true);
  run();
  const again = () => {
    if (!waiting.get(name)) return void waiting.delete(name);
    waiting.set(name, false);
    run();
    setTimeout(again, STEP);
  };
  waiting.set(name, false);
  setTimeout(again, STEP);
}

function signal({ t, id, station }) {
  emit(`live:${t}`);
  emit(`live:${t}:${id}`);
  if (station && station !== id) emit(`live:${t}:${station}`);
}

function resync() { emit("live:resync"); }

function figures(data) {
  for (const box of document.querySelectorAll(`[data-evse="${data.id}"]`)) {
    for (const place of box.querySelectorAll("[data-num]")) {
      const value = data[place.dataset.num];
      if (value != null) place.textContent = FORMS[place.dataset.num].format(value);
    }
    for (const time of box.querySelectorAll("time[data-measured]")) time.dateTime = data.at;
    box.querySelectorAll(".stale").forEach((old) => old.classList.remove("stale"));
  }
  body.dispatchEvent(new CustomEvent("live:num", { detail: data }));
}

function alive() { lastByte = Date.now(); tries = lostAt = 0; show(news ? "live" : "poll"); }

function told(state) { // the server says whether it hears of changes itself
  news = state;
  note.hidden = news;
  alive();
  if (news) resync();
}

function open() {
  clearTimeout(retry);
  stream?.close();
  stream = new EventSource(`${body.dataset.liveUrl}?topics=${encodeURIComponent(topics)}`);
  stream.onopen = () => { news = note.hidden = true; alive(); if (opened) resync(); opened = true; };
  stream.onerror = lost;
  stream.addEventListener("signal", (event) => { alive(); signal(JSON.parse(event.data)); });
  stream.addEventListener("num", (event) => { alive(); figures(JSON.parse(event.data)); });
  stream.addEventListener("paused", () => told(false));
  stream.addEventListener("resumed", () => told(true));
  stream.addEventListener("resync", () => { alive(); resync(); });
  stream.addEventListener("beat", (event) => { alive(); dispatchEvent(new CustomEvent("server-time", { detail: Number(event.data) })); });
  stream.addEventListener("out", out);
}

async function lost() {
  stream?.close();
  stream = null;
  lostAt ||= Date.now();
  show("late");
  const wait = Math.min(30000, 1000 * 2 ** tries++) * (0.5 + Math.random());
  clearTimeout(retry);
  retry = setTimeout(open, wait);
  const answer = await fetch(`${body.dataset.liveUrl}?check=1`).catch(() => null);
  if (answer?.status === 401 || answer?.status === 404) out();
}

function out() { // signed out, or no longer allowed: figures stay, but greyed
  clearTimeout(retry);
  stream?.close();
  stream = null;
  show("out");
  document.getElementById("main").classList.add("broken");
}

function watch() {
  if (document.hidden || light.dataset.state === "out" || light.dataset.state === "paused") return;
  if (stream && Date.now() - lastByte > SILENT) lost();
  if ((!news || (lostAt && Date.now() - lostAt > POLL_AFTER)) && Date.now() - lastPoll > POLL) {
    lastPoll = Date.now();
    show("poll");
    resync();
  }
}

function hide() { stream?.close(); stream = null; clearTimeout(retry); show("paused"); }

function visibility() {
  clearTimeout(hiding);
  if (document.hidden) hiding = setTimeout(hide, HIDDEN);
  else if (!stream && light.dataset.state === "paused") open();
}

const byLive = (event) => event.detail.requestConfig?.triggeringEvent?.type?.startsWith("live:") ?? event.detail.triggeringEvent?.type?.startsWith("live:");

function inUse(element) { // an open menu or dialog, or a field being filled in, is not swapped away
  const active = document.activeElement;
  return element.querySelector("dialog[open],details.menu[open]") || (element.contains(active) && active.matches("select,input,textarea"));
}

/* htmx forgets what waits for a piece that was replaced, and binds its successor a little later: that one looks again. */
function follow({ target, xhr }) {
  if (!target.getAttribute("hx-trigger")?.includes("live:again")) return;
  fetching.set(target, false);
  xhr.addEventListener("readystatechange", () => { if (xhr.readyState === 4 && !target.isConnected) fetching.set(target, true); });
  xhr.addEventListener("loadend", () => setTimeout(catchUp, BOUND, target));
}

function catchUp(piece) {
  const missed = fetching.get(piece), successor = piece.isConnected ? null : document.getElementById(piece.id);
  fetching.delete(piece);
  if (missed && successor) htmx.trigger(successor, "live:again");
}

function refused({ elt, target, xhr }) { // says why beside the control, or above what its dialog was about
  const place = elt.matches("form") && !elt.closest("dialog") ? elt : target;
  place.querySelector(":scope > [data-refusal]")?.remove();
  place.insertAdjacentHTML(place === elt ? "beforeend" : "afterbegin", xhr.responseText);
}

body.addEventListener("htmx:configRequest", (event) => { if (byLive(event)) event.detail.headers["X-Live"] = "1"; });
body.addEventListener("htmx:beforeSend", (event) => follow(event.detail));
body.addEventListener("htmx:beforeSwap", (event) => {
  const status = event.detail.xhr.status;
  if (byLive(event) && inUse(event.detail.target)) {
    event.detail.shouldSwap = false;
    setTimeout(() => htmx.trigger(event.detail.elt, "live:again"), 1500);
  } else if ([403, 404, 409, 422].includes(status) && !byLive(event)) {
    event.detail.shouldSwap = event.detail.isError = false;
    refused(event.detail);
  }
});
body.addEventListener("htmx:afterSwap", (event) => event.detail.target.classList.remove("broken"));
for (const name of ["htmx:responseError", "htmx:sendError"]) {
  body.addEventListener(name, (event) => {
    if (event.detail.xhr?.status === 401) return out();
    event.detail.target?.classList.add("broken");
    const id = event.detail.xhr?.getResponseHeader?.("X-Request-Id") ?? "";
    dispatchEvent(new CustomEvent("toast", { detail: `${body.dataset.textBroken} ${id}` }));
  });
}

if (topics && light) {
  open();
  setInterval(watch, 2000);
  document.addEventListener("visibilitychange", visibility);
  addEventListener("pagehide", () => stream?.close());
} else light?.remove();
