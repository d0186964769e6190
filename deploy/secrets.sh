#!/bin/sh
# Print fresh secrets as lines of an env file. Nothing is written: what is kept, and where, is the operator's choice.
set -eu

hex() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }

echo "SECRET_KEY=$(hex 32)"
echo "DATA_KEYS=k1:$(head -c 32 /dev/urandom | base64)"
echo "OCPP_TRUSTED_PROXY_SECRET=$(hex 24)"
echo "METRICS_TOKEN=$(hex 24)"
echo "DATABASE_OWNER_PASSWORD=$(hex 24)"
echo "DATABASE_APP_PASSWORD=$(hex 24)"
echo "VALKEY_PASSWORD=$(hex 24)"
echo "POSTGRES_PASSWORD=$(hex 24)"
