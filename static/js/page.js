/* What any page needs: dialogs, menus, copying, ages, toasts, keyboard. Nothing here changes data. */
const body = document.body, texts = body.dataset;
let skew = 0; // server time minus ours, in milliseconds; told by the stream's beat

export function toast(text) {
  const line = document.createElement("p");
  line.className = "toast-line m-0";
  line.textContent = text;
  document.getElementById("toasts")?.append(line);
  setTimeout(() => line.remove(), 6000);
}

function age(seconds) {
  if (seconds < 5) return texts.textNow;
  if (seconds < 60) return texts.textS.replace("{n}", Math.floor(seconds));
  if (seconds < 3600) return texts.textM.replace("{n}", Math.floor(seconds / 60));
  if (seconds < 86400) return texts.textH.replace("{n}", Math.floor(seconds / 3600));
  return null; // days stay as the server said them
}

function tick() {
  const now = Date.now() + skew;
  for (const element of document.querySelectorAll("time[data-age]")) {
    const text = age((now - Date.parse(element.dateTime)) / 1000);
    if (text && element.textContent !== text) element.textContent = text;
  }
  for (const element of document.querySelectorAll("[data-since]")) {
    element.textContent = Math.max(0, (now - Date.parse(element.dataset.since)) / 1000).toFixed(0);
  }
}

async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  const text = source.value ?? source.textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch { // plain http beyond this machine has no clipboard interface
    source.select?.();
    document.execCommand("copy");
  }
  toast(texts.textCopied);
}

addEventListener("click", (event) => {
  const opener = event.target.closest("[data-open]");
  if (opener) {
    const dialog = document.getElementById(opener.dataset.open);
    dialog.showModal();
    dialog.querySelector("[data-first]")?.focus();
  }
  if (event.target.closest("[data-close]") || event.target.matches("dialog.drawer")) event.target.closest("dialog").close();
  const button = event.target.closest("[data-copy]");
  if (button) copy(button);
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});

addEventListener("submit", (event) => event.target.closest("dialog")?.close(), true);
addEventListener("change", (event) => { if (event.target.matches("[data-submit]")) event.target.form.requestSubmit(); });
addEventListener("server-time", (event) => { skew = event.detail - Date.now(); tick(); });
addEventListener("toast", (event) => toast(event.detail));

const GO = { o: "overview", s: "stations", e: "sessions", a: "alerts" };
let before = "";

function move(step) {
  const rows = [...document.querySelectorAll("a.go")];
  const next = rows[rows.indexOf(document.activeElement) + step] ?? rows[step > 0 ? 0 : rows.length - 1];
  next?.focus();
}

addEventListener("keydown", (event) => {
  if (event.key === "Escape") for (const menu of document.querySelectorAll("details.menu[open]")) menu.open = false;
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input,select,textarea")) return;
  if (event.key === "/") { event.preventDefault(); document.getElementById("search")?.focus(); }
  if (event.key === "j") move(1);
  if (event.key === "k") move(-1);
  if (before === "g" && GO[event.key]) document.querySelector(`.side [data-go="${GO[event.key]}"]`)?.click();
  before = event.key;
});

document.querySelector(".tabs [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });
setInterval(tick, 1000);
tick();
