// "Near me": asks the phone once, to about a hundred metres, and lists by distance.
const place = document.getElementById("near");

function list({ coords }) {
  const here = new URL(location.href);
  here.searchParams.set("at", `${coords.latitude.toFixed(3)},${coords.longitude.toFixed(3)}`);
  location.assign(here);
}

function refused() { place.querySelector("[role=status]").textContent = place.querySelector("[role=status]").dataset.refused; }

if (place && navigator.geolocation) {
  place.hidden = false;
  place.querySelector("button").addEventListener("click", () => navigator.geolocation.getCurrentPosition(list, refused, { timeout: 15000, maximumAge: 60000 }));
}
