// Keeps the part that changes fresh while the page is looked at; without script the page reloads itself.
// Where the page has a stream, it looks when told so, and now and then for the minutes; else every few seconds.
const EVERY_MS = 4000, SELDOM = 5, place = document.getElementById("live");
let busy = false, again = false, ended = false, ticks = 0, stream;

function end() {
  ended = true;
  clearInterval(timer);
  listen();
}

function listen() {
  if (document.hidden || ended) {
    stream?.close();
    stream = undefined;
  } else if (place.dataset.stream && !stream) {
    stream = new EventSource(place.dataset.stream);
    stream.addEventListener("changed", look);
    stream.addEventListener("out", look);
  }
}

function tick() {
  if (stream?.readyState !== EventSource.OPEN || ++ticks % SELDOM === 0) look();
}

async function look() {
  if (document.hidden || ended) return;
  if (busy) {
    again = true;
    return;
  }
  busy = true;
  try {
    const answer = await fetch(location.href, {headers: {"X-Live": "1"}, signal: AbortSignal.timeout(15000)});
    if (answer.redirected) return location.assign(answer.url);
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const part = fresh.getElementById("live");
    if (part) show(part);
    if (!fresh.querySelector("script[src*='driver']")) end();
  } catch { /* no reception: the next look tries again */ } finally { busy = false; }
  if (again) {
    again = false;
    look();
  }
}

function show(part) {
  if (part.innerHTML === place.dataset.told) return;
  place.dataset.told = part.innerHTML;
  const said = place.querySelector("[role=status]"), says = part.querySelector("[role=status]");
  const held = place.contains(document.activeElement) && document.activeElement.getAttribute("href");
  if (said.innerHTML !== says.innerHTML) said.replaceChildren(...says.childNodes);
  part.replaceChild(said, says);
  place.replaceChildren(...part.childNodes);
  if (held) [...place.querySelectorAll("a")].find((link) => link.getAttribute("href") === held)?.focus();
}

const timer = setInterval(tick, EVERY_MS);
document.addEventListener("visibilitychange", () => { listen(); look(); });
listen();
