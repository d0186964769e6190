#!/bin/sh
# Make .venv with a Python that is new enough; leaves a working one alone.
set -eu
cd "$(dirname "$0")/.."

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
can_make_venv() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

if [ -x .venv/bin/python ] && new_enough .venv/bin/python && .venv/bin/python -c 'import pip' 2>/dev/null; then
    exit 0
fi

python=
for name in "${PYTHON:-python3}" python3 python3.14 python3.13 python3.12 python3.11; do
    if new_enough "$name"; then python=$name && break; fi
done
if [ -z "$python" ]; then
    found=$( (python3 --version 2>/dev/null || echo "no python3") | tr -d '\n')
    echo "Chargeyard needs Python 3.11 or newer; here is $found. Install python3.11 (Debian 12 has it)." >&2
    exit 1
fi

if ! can_make_venv "$python"; then
    # Debian and Ubuntu ship the venv module apart from Python
    package=$("$python" -c 'import sys; print("python3.%d-venv" % sys.version_info[1])')
    case $(readlink -f "$(command -v "$python")") in /usr/bin/*) ;; *) package= ;; esac
    if [ -n "$package" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "Installing $package"
        { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y "$package"; } >/dev/null || true
    fi
    if ! can_make_venv "$python"; then
        echo "$python lacks its venv module. On Debian and Ubuntu: apt install ${package:-python3-venv}" >&2
        exit 1
    fi
fi

"$python" -m venv --clear .venv
