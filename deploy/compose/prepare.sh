#!/bin/sh
# Make what compose.yaml needs and the repository cannot hold: .env with fresh secrets, edge/ with your names.
#
#   sh deploy/compose/prepare.sh portal.example.org ocpp.example.org
#
# What is there already is kept, .env above all. Then put the certificates into edge/chargeyard/tls (edge/chargeyard/
# certificates-*.conf says which), and for chargers with certificates make edge/chargeyard/client-ca.conf.
set -eu
[ $# = 2 ] || { echo "Usage: prepare.sh PORTAL_NAME OCPP_NAME" >&2; exit 2; }
portal=$1 ocpp=$2
cd "$(dirname "$0")"
umask 077

if [ ! -e .env ]; then
    { sed "s/portal\.example\.org/$portal/" env.example; sh ../secrets.sh; } >.env.new
    mv .env.new .env
fi
if [ ! -e edge ]; then
    cp -R ../nginx edge.new
    cp upstreams.conf edge.new/chargeyard/upstreams.conf
    mkdir edge.new/chargeyard/tls
    sed "s/portal\.example\.org/$portal/g; s/ocpp\.example\.org/$ocpp/g" ../nginx/chargeyard.conf >edge.new/chargeyard.conf
    sed 's|/var/log/nginx/chargeyard.log|/dev/stdout|' ../nginx/chargeyard/common.conf >edge.new/chargeyard/common.conf
    secret=$(sed -n 's/^OCPP_TRUSTED_PROXY_SECRET=//p' .env)
    sed "s/\"\"/\"$secret\"/" ../nginx/chargeyard/secret.conf.example >edge.new/chargeyard/secret.conf
    chmod -R u=rwX,go=rX edge.new  # nginx in its container is nobody in particular
    mv edge.new edge
fi
echo "Prepared .env and edge/ in $(pwd). Next: certificates into edge/chargeyard/tls, then docker compose up."
