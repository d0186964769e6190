"""Keeps a copy of all sessions in a warehouse (here SQLite), exactly, also after crashes and long absences.

    PORTAL=https://portal.example.org KEY=cy_… python3 mirror.py warehouse.db [--once]

The place in the events is stored in the transaction that stores what they told of. Only the standard library is needed.
"""

import json
import os
import sqlite3
import sys
import time
import urllib.error
import urllib.request

PORTAL, KEY = os.environ["PORTAL"], os.environ["KEY"]
TYPES = "transaction.started,transaction.updated,transaction.ended,transaction.priced"
PAGE = 500


class Forgotten(Exception):
    """We were away for longer than events are kept (410)."""


def read(address):
    request = urllib.request.Request(
        address, headers={"Authorization": f"Bearer {KEY}", "Accept": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=70) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code == 410:
            raise Forgotten from error
        if error.code == 429:
            time.sleep(float(error.headers["Retry-After"]))
            return read(address)
        raise


def newest_event():
    """The place to go on from, taken before the copy: what happens while we copy is then told again, not lost."""
    page = read(f"{PORTAL}/api/v1/events/?ordering=-id&limit=1")["results"]
    return page[0]["sequence"] if page else 0


def store(warehouse, session):
    warehouse.execute(
        "INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET status = excluded.status,"
        " started_at = excluded.started_at, ended_at = excluded.ended_at, energy_wh = excluded.energy_wh,"
        " row = excluded.row",
        [
            session["id"],
            session["status"],
            session["started_at"],
            session["ended_at"],
            session["energy_wh"],
            json.dumps(session),
        ],
    )


def keep_place(warehouse, sequence):
    warehouse.execute("DELETE FROM place")
    warehouse.execute("INSERT INTO place VALUES (?)", [sequence])


def copy(warehouse):
    """Everything that there is. Safe to repeat."""
    begin = newest_event()
    address = f"{PORTAL}/api/v1/transactions/?limit={PAGE}"
    while address:
        page = read(address)
        with warehouse:
            for session in page["results"]:
                store(warehouse, session)
        address = page["next"]
    with warehouse:
        keep_place(warehouse, begin)
    return begin


def follow(warehouse, place):
    """What changed since; each session that changed is read once a page. The new place."""
    page = read(f"{PORTAL}/api/v1/events/?type={TYPES}&after={place}&limit={PAGE}")["results"]
    sessions = [read(f"{PORTAL}/api/v1/transactions/{key}/") for key in {row["data"]["id"] for row in page}]
    if page:
        place = page[-1]["sequence"]
        with warehouse:
            for session in sessions:
                store(warehouse, session)
            keep_place(warehouse, place)
    return place, len(page)


def main(path, *options):
    warehouse = sqlite3.connect(path)
    warehouse.execute(
        "CREATE TABLE IF NOT EXISTS sessions"
        " (id TEXT PRIMARY KEY, status TEXT, started_at TEXT, ended_at TEXT, energy_wh REAL, row TEXT)"
    )
    warehouse.execute("CREATE TABLE IF NOT EXISTS place (sequence INTEGER)")
    row = warehouse.execute("SELECT sequence FROM place").fetchone()
    place = row[0] if row else copy(warehouse)
    while True:
        try:
            place, came = follow(warehouse, place)
        except Forgotten:
            place, came = copy(warehouse), 0
        if came < PAGE:
            if "--once" in options:
                return
            time.sleep(2)


if __name__ == "__main__":
    main(*sys.argv[1:])
