"""Long work in a thread of its own, with a bar, a button that stops it, and sentences for mistakes."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtWidgets import QApplication, QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from synimg.compute import Report
from synimg.errors import SynimgError


def in_steps(owner: QObject, steps: Iterator[None]) -> None:
    """Go through steps between which the window answers; they end with their owner, such as a widget that closes."""
    timer = QTimer(owner)

    def step() -> None:
        if next(steps, "end") == "end":
            timer.stop()
            timer.deleteLater()

    timer.timeout.connect(step)
    timer.start(0)


class Stopped(Exception):  # noqa: N818, it is no error
    """The user pressed stop, or closed the window."""


class _Signals(QObject):
    """Outlives the widget: a thread may still report after the window has gone."""

    progress = Signal(str, int, int)
    ended = Signal(str, object)


class Work(QWidget):
    """One button to start and one to stop, a bar, and a line that says what goes on."""

    def __init__(self, text: str, start: Callable[[], None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._stop: threading.Event | None = None
        self._done: Callable[[Any], None] = lambda _: None
        self.stopped = "stopped; nothing was left half-written"
        self.button, self.stop_button = QPushButton(text), QPushButton("Stop")
        self.button.clicked.connect(lambda _: start())
        self.stop_button.clicked.connect(lambda _: self.stop())
        self.stop_button.setEnabled(False)
        self.bar, self.label = QProgressBar(), QLabel()
        self.bar.setVisible(False)
        self.label.setWordWrap(True)
        buttons = QHBoxLayout()
        buttons.addWidget(self.button, 1)
        buttons.addWidget(self.stop_button)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.addLayout(buttons)
        box.addWidget(self.bar)
        box.addWidget(self.label)
        app = QApplication.instance()
        if app is not None:
            app.aboutToQuit.connect(self.stop)

    @property
    def is_running(self) -> bool:
        """Whether work goes on."""
        return self._stop is not None

    def start(self, function: Callable[[Report], Any], done: Callable[[Any], None]) -> None:
        """Run `function(report)` in a thread and hand what it returns to `done` here; one work at a time."""
        if self.is_running:
            return
        stop, signals = threading.Event(), _Signals()
        signals.progress.connect(self._progressed)
        signals.ended.connect(self._ended)

        def report(what: str, finished: int, total: int) -> None:
            if stop.is_set():
                raise Stopped
            try:
                signals.progress.emit(what, finished, total)
            except RuntimeError:  # Qt has gone before the thread: the program is ending
                raise Stopped from None

        def run() -> None:
            try:
                end: tuple[str, Any] = "done", function(report)
            except SynimgError as error:
                end = "mistake", error
            except Stopped:
                end = "stopped", None
            except Exception as error:
                end = "failed", error
            with contextlib.suppress(RuntimeError):  # Qt has gone
                signals.ended.emit(*end)

        # a closed window stops the work at its next report; stages clean up behind themselves
        self.destroyed.connect(stop.set)
        self._stop, self._done = stop, done
        self.button.setEnabled(False)
        self.stop_button.setEnabled(True)
        self.bar.setRange(0, 0)
        self.bar.setVisible(True)
        self.label.setText("")
        # Python waits for a thread of its own before it ends; of napari's workers the signals go first, and Qt aborts
        threading.Thread(target=run, name=self.button.text()).start()

    def stop(self) -> None:
        """Ask the work to end at its next report."""
        if self._stop is not None:
            self._stop.set()

    def _progressed(self, what: str, finished: int, total: int) -> None:
        self.bar.setRange(0, total)
        self.bar.setValue(finished)
        self.label.setText(f"{what}: {finished} of {total}")

    def _ended(self, how: str, value: Any) -> None:
        from synimg.viewers.widgets.say import say_error, show_failure

        self._idle({"stopped": self.stopped, "failed": "failed; the notification says why"}.get(how, ""))
        if how == "failed":
            show_failure(value)
        if how == "mistake":
            say_error(value)
            self.label.setText(str(value))
        elif how == "done":
            try:
                self._done(value)
            except SynimgError as error:
                say_error(error)

    def _idle(self, text: str) -> None:
        self._stop = None
        self.button.setEnabled(True)
        self.stop_button.setEnabled(False)
        self.bar.setVisible(False)
        self.label.setText(text)
