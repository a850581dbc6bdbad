#!/bin/sh
# Installs what the window and browser tests need beyond Python: an off-screen X server with the libraries Qt looks for,
# and chromium. Installs where the user may (root, or sudo without a password); otherwise says what to type and goes on:
# those tests are skipped then. Never fails, and is quick when all is there.
set -u

x_packages="xvfb xauth libegl1 libdbus-1-3 libfontconfig1 libglib2.0-0 libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 \
libxcb-randr0 libxcb-render-util0 libxcb-shape0 libxcb-xfixes0 libxcb-xkb1 libxkbcommon-x11-0"

if [ "$(uname -s)" = Darwin ]; then exit 0; fi # macOS draws windows itself

if ! command -v dpkg-query >/dev/null 2>&1 || ! command -v apt-get >/dev/null 2>&1; then
    command -v xvfb-run >/dev/null 2>&1 && exit 0
    echo "Window tests are skipped: this is not a Debian or Ubuntu system, so please install Xvfb (xvfb-run) and the xcb libraries of Qt 6 with its own package manager." >&2
    exit 0
fi

installed() { # a package of this name, or of its name after Ubuntu's 64-bit time change (libglib2.0-0t64)
    dpkg-query -W -f '${db:Status-Status}\n' "$1" "$1t64" 2>/dev/null | grep -qx installed
}

missing=""
for package in $x_packages; do
    installed "$package" || missing="$missing $package"
done

# Ubuntu's chromium package only starts a snap, which a container cannot run: take it on Debian alone.
if ! command -v chromium >/dev/null 2>&1 && ! command -v chromium-browser >/dev/null 2>&1 && ! command -v google-chrome >/dev/null 2>&1; then
    if (. /etc/os-release && [ "${ID:-}" = debian ]); then missing="$missing chromium"; fi
fi

[ -z "$missing" ] && exit 0

if [ "$(id -u)" = 0 ]; then
    as_root=""
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    as_root="sudo"
else
    echo "Some window or browser tests are skipped, because these system packages are missing; to run them, type: sudo apt-get install -y --no-install-recommends$missing" >&2
    exit 0
fi

echo "installing system packages for the window and browser tests:$missing"
log=$(mktemp)
if ! { $as_root apt-get update && $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1; then
    tail -n 3 "$log" >&2
    echo "Some window or browser tests are skipped, because the system packages could not be installed; to try again, type: apt-get install -y --no-install-recommends$missing" >&2
fi
rm -f "$log"
exit 0
