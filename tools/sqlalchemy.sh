#!/bin/sh
# Run the tests of dependencies= with other releases of SQLAlchemy, each in an environment of its own:
#     tools/sqlalchemy.sh [VERSION…]        # without: the oldest that is supported, and the newest
# PYTHON names the interpreter. ORACLE_EDITS=10000 runs the oracle for long.
set -eu
cd "$(dirname "$0")/.."
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
for version in ${*:-2.0.0 newest}; do
    wanted="sqlalchemy==$version"
    [ "$version" != newest ] || wanted="sqlalchemy"
    "${PYTHON:-python3}" -m venv "$made/$version"
    "$made/$version/bin/pip" install --quiet "$wanted" cachelib click flask-sqlalchemy freezegun \
        hypothesis pytest pytest-timeout pytest-xdist werkzeug
    "$made/$version/bin/python" -c 'import sqlalchemy; print("SQLAlchemy", sqlalchemy.__version__)'
    PYTHONPATH=src:. "$made/$version/bin/python" -m pytest --quiet -p no:cacheprovider tests/sqlalchemy
done
