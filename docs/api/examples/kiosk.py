"""A kiosk: starts a session at an outlet, tells what becomes of it, and stops it.

    PORTAL=https://portal.example.org KEY=cy_… python3 kiosk.py CODE TOKEN ORDER

CODE is the public code of the outlet (as in /c/CODE), TOKEN a card that the operator has accepted, ORDER your own
number: run it again with the same one after a crash, and the session is not started twice, but followed further. Only
the standard library is needed.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request

PORTAL, KEY = os.environ["PORTAL"], os.environ["KEY"]
SECONDS = float(os.environ.get("SECONDS", "3600"))  # how long it may charge


def call(method, path, body=None, **headers):
    """The answer's JSON; an error of the API as its sentence."""
    request = urllib.request.Request(
        PORTAL + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {KEY}", "Content-Type": "application/json", **headers},
    )
    try:
        with urllib.request.urlopen(request, timeout=70) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        problem = json.load(error)
        sys.exit(f"{problem['detail']} ({error.code}, request {problem['request_id']})")


def outlet(code):
    """The station and the number of the EVSE with that public code."""
    address = "/api/v1/stations/?limit=500"
    while address:
        page = call("GET", address)
        for station in page["results"]:
            for evse in station["evses"]:
                if evse["code"] == code:
                    return station["id"], evse["evse_id"]
        address = (page["next"] or "").removeprefix(PORTAL)
    sys.exit("There is no such outlet.")


def settled(command):
    """The command once it is known what became of it: what the station said, and whether it happened."""
    deadline = time.monotonic() + 90
    while command["status"] in ("pending", "sent") or (
        command["status"] == "accepted" and command["effect"] is None and time.monotonic() < deadline
    ):
        time.sleep(1)
        command = call("GET", f"/api/v1/commands/{command['id']}/")
    return command


def send(station, order, **body):
    headers = {"Idempotency-Key": order, "Prefer": "wait=30"}
    return settled(call("POST", f"/api/v1/stations/{station}/commands/", body, **headers))


def main(code, token, order):
    station, evse_id = outlet(code)
    card = {"value": token, "type": "ISO14443"}
    started = send(
        station, f"{order}-start", command="request_start_transaction", evse_id=evse_id, token=card
    )
    if started["effect"] != "seen":
        sys.exit(f"It did not start: {started['status']} {started['error'] or started['response']}")
    session = started["transaction"]
    print(f"charging: {session}", flush=True)
    until = time.monotonic() + SECONDS
    shown = call("GET", f"/api/v1/transactions/{session}/")
    while shown["status"] == "active" and time.monotonic() < until:
        time.sleep(1)
        shown = call("GET", f"/api/v1/transactions/{session}/")
    if shown["status"] == "active":
        send(station, f"{order}-stop", command="request_stop_transaction", transaction=session)
        shown = call("GET", f"/api/v1/transactions/{session}/")
    print(f"{shown['status']}: {shown['energy_wh']} Wh", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
