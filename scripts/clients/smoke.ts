// The generated TypeScript client against a running portal, whose address and key are in the environment.
import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { paths } from "./chargeyard.d.ts";

const { PORTAL, KEY } = process.env;
const api = createClient<paths>({ baseUrl: PORTAL, headers: { Authorization: `Bearer ${KEY}` } });

const stations = await api.GET("/api/v1/stations/", { params: { query: { connected: true, limit: 5 } } });
assert(typeof stations.data === "object"); // not the table that text/csv would give
const station = stations.data.results[0];
assert(station, "no charger is connected");

const name = `Yard ${crypto.randomUUID().slice(0, 6)}`;
const site = await api.POST("/api/v1/sites/", { body: { name, time_zone: "Europe/Berlin" } });
assert.equal(site.data?.name, name);

const missing = await api.GET("/api/v1/sites/{id}/", { params: { path: { id: crypto.randomUUID() } } });
assert.equal(missing.error?.status, 404);

const said = await api.POST("/api/v1/stations/{id}/commands/", {
  params: { path: { id: station.id }, header: { Prefer: "wait=20" } },
  body: { command: "trigger_message", message: "heartbeat" },
});
assert.equal(said.data?.status, "accepted");

const planned = await api.POST("/api/v1/stations/{id}/commands/", {
  params: { path: { id: station.id } },
  body: {
    command: "change_availability",
    operational_status: "operative",
    repeat: "FREQ=DAILY;BYHOUR=6;BYMINUTE=0",
  },
});
assert(planned.data && "next_at" in planned.data);
const id = planned.data.id;
const cancelled = await api.DELETE("/api/v1/scheduled-commands/{id}/", { params: { path: { id } } });
assert.equal(cancelled.data?.status, "cancelled");

console.log(`typescript: ${station.identity} of ${stations.data.results.length}, site ${name}, planned and cancelled`);
