// Keeps the part that changes fresh while the page is looked at; without script the page reloads itself.
const EVERY_MS = 4000, place = document.getElementById("live"), end = () => clearInterval(timer);
let busy = false;

async function look() {
  if (document.hidden || busy) return;
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

const timer = setInterval(look, EVERY_MS);
document.addEventListener("visibilitychange", look);
