"""Fetches one address again and again, in a process of its own: who measures must not wait for who fetches.

`python -m benchmarks.fetching URL`, the headers as JSON on standard input; until it is ended.
"""

import json
import sys

import requests


def main(url: str) -> None:
    session = requests.Session()
    session.headers.update(json.load(sys.stdin))
    while True:
        answer = session.get(url, timeout=30, allow_redirects=False)
        if answer.status_code != 200:
            raise SystemExit(f"{url} answered {answer.status_code}.")


if __name__ == "__main__":
    main(sys.argv[1])
