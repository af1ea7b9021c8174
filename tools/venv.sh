#!/bin/sh
# Make the virtual environment that the Makefile works in:  tools/venv.sh DIR
# PYTHON names the interpreter; without it, the first that really runs and is new enough is taken
# (a name on PATH may be a version manager's shim for a Python that is not there).
set -eu
dir=$1

fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

if fits "$dir/bin/python" && "$dir/bin/python" -m pip --version >/dev/null 2>&1; then
    exit 0
fi

if [ -n "${PYTHON:-}" ]; then
    fits "$PYTHON" || { echo "PYTHON=$PYTHON does not run or is older than 3.11." >&2; exit 1; }
else
    for candidate in python3.11 python3.12 python3.13 python3; do
        if fits "$candidate"; then PYTHON=$candidate; break; fi
    done
    [ -n "${PYTHON:-}" ] || { echo "No Python 3.11 or later found: install one, or say make PYTHON=/path/to/python3." >&2; exit 1; }
fi

# Debian keeps venv's ensurepip in a package of its own.
if ! "$PYTHON" -c 'import ensurepip, venv' >/dev/null 2>&1; then
    package=$("$PYTHON" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "Installing $package, which $PYTHON needs to make a virtual environment."
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null
    else
        echo "$PYTHON cannot make a virtual environment: run 'apt install $package' as root, then make again." >&2
        exit 1
    fi
fi

"$PYTHON" -m venv --clear "$dir"
