#!/bin/sh
# Make the virtual environment in .venv, even on a Debian that has Python without its venv and pip packages:
# then pip comes from the distribution's own package, downloaded and unpacked, never installed. Needs no root.
set -eu

python=${PYTHON:-}
for candidate in python3.11 python3; do
    [ -n "$python" ] || python=$(command -v "$candidate" || true)
done
if [ -z "$python" ] || ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "labkit needs Python 3.11 or newer; found: ${python:-none}. Set one: make PYTHON=/path/to/python3.11" >&2
    exit 1
fi

if "$python" -c 'import ensurepip' 2>/dev/null; then
    exec "$python" -m venv .venv
fi

wheels=$(mktemp -d)
trap 'rm -rf "$wheels"' EXIT
mkdir -p "$wheels/lists/partial" "$wheels/cache/archives/partial"
apt="apt-get -qq -o Dir::State::Lists=$wheels/lists -o Dir::Cache=$wheels/cache -o APT::Sandbox::User="
if ! (cd "$wheels" && $apt update && $apt download python3-pip-whl && dpkg-deb -x python3-pip-whl_*.deb .); then
    echo "Python has no pip here, and it could not be downloaded. Install it with: apt-get install python3-venv" >&2
    exit 1
fi
"$python" -m venv --without-pip .venv
pip=$(echo "$wheels"/usr/share/python-wheels/pip-*.whl)
.venv/bin/python "$pip/pip" install --quiet --no-index "$pip"
