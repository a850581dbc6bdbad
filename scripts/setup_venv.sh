#!/bin/sh
# setup_venv.sh PYTHON VENV EXTRAS: makes the virtual environment VENV if need be, and installs this package into it
# with the extras, editable, in the versions of constraints.txt.
set -eu
python=$1 venv=$2 extras=$3

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
stop() { echo "$1" >&2; exit 2; }

if "$venv/bin/python" -c '' 2>/dev/null; then
    new_enough "$venv/bin/python" ||
        stop "$venv holds $("$venv/bin/python" --version), and synimg needs 3.11 or later: remove it (rm -rf $venv) and call make again with PYTHON=python3.12 or the like."
else
    command -v "$python" >/dev/null 2>&1 ||
        stop "There is no $python here, and synimg needs Python 3.11 or later: install it (Debian, Ubuntu: sudo apt-get install python3 python3-venv; macOS: brew install python@3.12), or name yours: make setup PYTHON=python3.12"
    new_enough "$python" ||
        stop "$python is $("$python" --version 2>&1), and synimg needs 3.11 or later: name a newer one, for example: make setup PYTHON=python3.12"
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        stop "$python cannot make virtual environments; type: sudo apt-get install $("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')   and call make again."
    echo "making $venv with $("$python" --version)"
    "$python" -m venv --clear "$venv"
fi
"$venv/bin/python" -m pip --version >/dev/null 2>&1 || "$venv/bin/python" -m ensurepip >/dev/null ||
    stop "$venv has no pip: remove it (rm -rf $venv) and call make again."

echo "installing synimg[$extras] into $venv (the first time takes a few minutes)"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -e ".[$extras]" -c constraints.txt ||
    stop "The packages could not be installed (the reason stands above; most often no network or a full disk): call make again when it is mended."
