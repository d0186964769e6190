/* Plots of power, limit and charge level. Colours come from the legend, which takes them from the tokens. */
const lang = document.documentElement.lang, KEEP = 3600;

function colour(box, name) {
  const mark = box.querySelector(`.k-${name}`);
  return mark ? getComputedStyle(mark).color : "#888";
}

function axes(box, zone) {
  const muted = getComputedStyle(box.querySelector(".legend")).color, grid = { stroke: getComputedStyle(box.querySelector(".plot")).borderTopColor, width: 1 };
  const form = (more) => new Intl.DateTimeFormat(lang, { hour: "2-digit", minute: "2-digit", hour12: false, timeZone: zone, ...more });
  const clock = form(), precise = form({ second: "2-digit" });
  const day = new Intl.DateTimeFormat(lang, { day: "numeric", month: "short", timeZone: zone });
  const fitting = (step) => (step < 60 ? precise : step < 43200 ? clock : day);
  const times = (marks) => marks.map((at) => fitting(marks[1] - marks[0]).format(at * 1000));
  const number = new Intl.NumberFormat(lang, { maximumFractionDigits: 1 });
  const common = { stroke: muted, grid, ticks: { show: false }, font: "12px system-ui" };
  return [
    { ...common, grid: { show: false }, size: 30, space: 70, values: (_, marks) => times(marks) },
    { ...common, size: 46, values: (_, marks) => marks.map((value) => number.format(value)) },
    { ...common, side: 1, scale: "%", size: 46, grid: { show: false }, values: (_, marks) => marks.map((value) => `${value} %`) },
  ];
}

/* One reading alone, or none, gets a minute to each side. */
function around(_, first, last) {
  const now = Date.now() / 1000;
  return last > first ? [first, last] : [(first ?? now) - 60, (last ?? now) + 60];
}

function draw(box, data) {
  const zone = box.dataset.zone || undefined, place = box.querySelector(".plot");
  const line = (name, extra) => ({ stroke: colour(box, name), width: 2, spanGaps: false, points: { show: data[0].length < 3 }, ...extra });
  const height = Math.max(240, Math.min(300, place.clientWidth * 0.5));
  const power = line("power", { fill: colour(box, "power").replace("rgb(", "rgba(").replace(")", ", .12)") });
  return new uPlot({
    width: place.clientWidth, height,
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false } },
    scales: { x: { range: around }, y: { range: (_, low, high) => [0, Math.max(1, high * 1.1)] }, "%": { range: [0, 100] } },
    series: [{}, power, line("limit", { dash: [6, 4] }), line("soc", { scale: "%" })],
    axes: axes(box, zone).slice(0, data[3].some((value) => value != null) ? 3 : 2),
  }, data, place);
}

function last(box, data) {
  const number = new Intl.NumberFormat(lang, { maximumFractionDigits: 1 });
  ["power", "limit", "soc"].forEach((name, index) => {
    const value = data[index + 1].findLast((one) => one != null), place = box.querySelector(`[data-last="${name}"]`);
    if (place) place.textContent = value == null ? "–" : number.format(value);
  });
}

async function mount(box) {
  if (box.dataset.mounted) return;
  box.dataset.mounted = "1";
  const answer = await fetch(box.dataset.plot, { headers: { "X-Live": "1" } }).catch(() => null);
  if (!answer?.ok) return void delete box.dataset.mounted;
  const { t, power, limit, soc } = await answer.json();
  const data = [t, power, limit, soc];
  let plot = draw(box, data);
  last(box, data);
  const rebuild = () => { plot.destroy(); plot = draw(box, data); };
  new ResizeObserver(() => plot.setSize({ width: box.querySelector(".plot").clientWidth, height: plot.height })).observe(box);
  addEventListener("themechange", rebuild);
  document.body.addEventListener("live:num", ({ detail }) => {
    if (!box.isConnected || detail.id !== box.dataset.of) return;
    const at = Date.parse(detail.at) / 1000;
    if (detail.kw == null || at <= (data[0].at(-1) ?? 0)) return;
    [at, Number(detail.kw), data[2].at(-1) ?? null, detail.soc == null ? null : Number(detail.soc)].forEach((value, index) => data[index].push(value));
    while (box.dataset.window && data[0].length > 2 && data[0][0] < at - (Number(box.dataset.window) || KEEP)) data.forEach((column) => column.shift());
    plot.setData(data);
    last(box, data);
  });
}

const all = (root) => root.querySelectorAll("[data-plot]").forEach(mount);
all(document);
document.body.addEventListener("htmx:afterSettle", (event) => all(event.detail.elt));
