"""Long work in a thread of its own, with a bar, a button that stops it, and sentences for mistakes."""

import threading
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QApplication, QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from synimg.compute import Report
from synimg.errors import SynimgError


class Stopped(Exception):  # noqa: N818, it is no error
    """The user pressed stop, or closed the window."""


class _Signals(QObject):
    """Outlives the widget: a thread may still report after the window has gone."""

    progress = Signal(str, int, int)


class Work(QWidget):
    """One button to start and one to stop, a bar, and a line that says what goes on."""

    def __init__(self, text: str, start: Callable[[], None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._stop: threading.Event | None = None
        self.worker: Any = None
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
        from napari.qt.threading import create_worker

        stop, signals = threading.Event(), _Signals()
        signals.progress.connect(self._progressed)

        def report(what: str, finished: int, total: int) -> None:
            if stop.is_set():
                raise Stopped
            try:
                signals.progress.emit(what, finished, total)
            except RuntimeError:  # Qt has gone before the thread: the program is ending
                raise Stopped from None

        def run() -> tuple[str, Any]:
            try:
                return "done", function(report)
            except SynimgError as error:
                return "mistake", error
            except Stopped:
                return "stopped", None

        # a closed window stops the work at its next report; stages clean up behind themselves
        self.destroyed.connect(stop.set)
        self._stop = stop
        self.button.setEnabled(False)
        self.stop_button.setEnabled(True)
        self.bar.setRange(0, 0)
        self.bar.setVisible(True)
        self.label.setText("")
        self.worker = create_worker(run, _start_thread=False)
        self.worker.returned.connect(lambda result: self._ended(result, done))
        self.worker.errored.connect(lambda _: self._idle("failed; the notification says why"))
        self.worker.start()

    def stop(self) -> None:
        """Ask the work to end at its next report."""
        if self._stop is not None:
            self._stop.set()

    def _progressed(self, what: str, finished: int, total: int) -> None:
        self.bar.setRange(0, total)
        self.bar.setValue(finished)
        self.label.setText(f"{what}: {finished} of {total}")

    def _ended(self, result: tuple[str, Any], done: Callable[[Any], None]) -> None:
        from synimg.viewers.widgets.say import say_error

        how, value = result
        self._idle("stopped; nothing was left half-written" if how == "stopped" else "")
        if how == "mistake":
            say_error(value)
            self.label.setText(str(value))
        elif how == "done":
            try:
                done(value)
            except SynimgError as error:
                say_error(error)

    def _idle(self, text: str) -> None:
        self._stop = None
        self.button.setEnabled(True)
        self.stop_button.setEnabled(False)
        self.bar.setVisible(False)
        self.label.setText(text)
