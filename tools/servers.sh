#!/bin/sh
# Install the servers and the browser that tests start for themselves, if this is root on Debian and
# they are missing.
# Without them the tests that need one are skipped, and say which (with CI=true they fail).
set -eu
PATH=$PATH:/usr/sbin  # where Debian has nginx, for users too
missing=
for program in redis-server memcached nginx chromium; do
    command -v "$program" >/dev/null || missing="$missing $program"
done
command -v promtool >/dev/null || missing="$missing prometheus"  # checks what /metrics answers
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing$missing, which tests start on loopback."
    apt-get update -qq &&
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing \
            >/dev/null ||
        echo "Not installed:$missing; tests that need them will say so." >&2
else
    echo "Not installed:$missing; tests that need them are skipped ('apt install$missing' as root)." >&2
fi
