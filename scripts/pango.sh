#!/bin/sh
# See to the Pango library for invoices as PDF; without it their tests fail, and that is said here.
set -u
cd "$(dirname "$0")/.."

packages="libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"
.venv/bin/python -W ignore -c "import weasyprint" >/dev/null 2>&1 && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing Pango for invoices as PDF"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y $packages; } >/dev/null 2>&1 && exit 0
fi
echo "*** No Pango library here: INVOICES AS PDF WAIT, AND THEIR TESTS FAIL. Install it: apt install $packages ***" >&2
