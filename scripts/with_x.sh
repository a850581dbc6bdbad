#!/bin/sh
# with_x.sh COMMAND...: runs the command with an off-screen display where Qt can open a window on one, and otherwise
# without any display, so that the window tests are skipped. Only X draws what napari shows: Qt's own off-screen
# platform leaves images out without a word, so QT_QPA_PLATFORM must not be set.
set -u
unset QT_QPA_PLATFORM
[ "$(uname -s)" = Darwin ] && exec "$@"

# Qt aborts the whole process when one of its libraries is missing, so try it apart from the tests.
opens_window='from PyQt6.QtWidgets import QApplication, QWidget; app = QApplication([]); QWidget().show()'
if ! command -v xvfb-run >/dev/null 2>&1; then
    SYNIMG_NO_WINDOW="there is no xvfb-run: make setup names what to install"
elif ! xvfb-run -a .venv/bin/python -c "$opens_window" >/dev/null 2>&1; then
    SYNIMG_NO_WINDOW="Qt cannot open a window here, a system library is missing: make setup names what to install"
else
    exec xvfb-run -a -s "-screen 0 1600x1200x24" "$@"
fi
echo "The window tests are skipped: $SYNIMG_NO_WINDOW." >&2
export SYNIMG_NO_WINDOW
unset DISPLAY WAYLAND_DISPLAY
exec "$@"
