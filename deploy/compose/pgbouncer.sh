# PgBouncer in a container: the shipped configuration with its places, and the password from the environment.
set -eu
umask 077
printf '"chargeyard_app" "%s"\n' "$DATABASE_APP_PASSWORD" >/tmp/userlist.txt
sed -e 's|host=/var/run/postgresql|host=postgres|' -e 's|^listen_addr = .*|listen_addr = 0.0.0.0|' \
    -e 's|/etc/pgbouncer/userlist.txt|/tmp/userlist.txt|' /etc/pgbouncer/shipped.ini >/tmp/pgbouncer.ini
unset DATABASE_APP_PASSWORD
exec pgbouncer /tmp/pgbouncer.ini
