"""Takes webhooks: verifies each, does its work once, and answers before the work is done.

    SECRET=whsec_… python3 receiver.py PORT

Only the standard library is needed. Put it behind your own https; the portal posts to nothing else.
"""

import base64
import hashlib
import hmac
import json
import os
import queue
import sqlite3
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = base64.b64decode(os.environ["SECRET"].removeprefix("whsec_"))
LEDGER = os.environ.get("LEDGER", "webhooks.db")
TOLERANCE_S = 300
work = queue.Queue()


def is_genuine(headers, body):
    """Whether one of the signatures is ours, over a message that is not old."""
    name, seconds = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not seconds.isdecimal() or abs(time.time() - int(seconds)) > TOLERANCE_S:
        return False
    wanted = base64.b64encode(
        hmac.digest(SECRET, f"{name}.{seconds}.".encode() + body, hashlib.sha256)
    ).decode()
    given = headers.get("webhook-signature", "").split(" ")
    return any(hmac.compare_digest(one.removeprefix("v1,").encode(), wanted.encode()) for one in given)


def keep(name, body):
    """Store it before we answer; ``False`` where it came before."""
    with sqlite3.connect(LEDGER, timeout=10) as ledger:
        ledger.execute("CREATE TABLE IF NOT EXISTS events (id TEXT PRIMARY KEY, body BLOB)")
        return ledger.execute("INSERT OR IGNORE INTO events VALUES (?, ?)", [name, body]).rowcount == 1


class Hook(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        genuine = is_genuine(self.headers, body)
        if genuine and keep(self.headers["webhook-id"], body):
            work.put(json.loads(body))
        self.send_response(204 if genuine else 401)
        self.end_headers()


def react():
    """The work itself, one after the other, at our own pace."""
    while True:
        event = work.get()
        print(f"{event['sequence']} {event['type']} {json.dumps(event['data'])}", flush=True)


def main(port):
    threading.Thread(target=react, daemon=True).start()
    ThreadingHTTPServer(("127.0.0.1", int(port)), Hook).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
