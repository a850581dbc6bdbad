"""A form of a settings model: a line per field with its bounds, its unit and its meaning."""

from typing import Any

import pydantic
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QFormLayout, QLineEdit, QSpinBox, QWidget

from synimg.viewers.forms import Field, fields_of, text_of, value_of

WIDE = 2**31 - 1


class _Decimal(QDoubleSpinBox):
    """Shows as many digits as a number has."""

    def textFromValue(self, value: float) -> str:  # noqa: N802, Qt's name
        return f"{value:.6g}"


class Form(QWidget):
    """A line for each field of a settings model; `changed` tells that one was changed."""

    changed = Signal()

    def __init__(
        self, model: type[pydantic.BaseModel], folder: str | None = None, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.fields = {field.name: field for field in fields_of(model, folder)}
        self._inputs: dict[str, Any] = {}
        box = QFormLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for name, field in self.fields.items():
            widget = self._input(field)
            widget.setToolTip(field.help)
            self._inputs[name] = widget
            # the unit stands beside the number, so the name need not end in it
            label = name.rpartition("_")[0].removesuffix("_per") if field.unit else name
            box.addRow(label.replace("_", " "), widget)
            box.labelForField(widget).setToolTip(field.help)
        self.set_values({name: field.default for name, field in self.fields.items()})

    def _input(self, field: Field) -> QWidget:
        if field.kind == "choice":
            choice = QComboBox()
            choice.addItems(list(field.choices))
            choice.currentTextChanged.connect(lambda _: self.changed.emit())
            return choice
        if field.kind == "bool":
            check = QCheckBox()
            check.toggled.connect(lambda _: self.changed.emit())
            return check
        if field.kind in {"int", "float"}:
            spin = QSpinBox() if field.kind == "int" else _Decimal()
            low = -WIDE if field.low is None else field.low
            high = WIDE if field.high is None else min(field.high, WIDE)
            if field.kind == "float":
                spin.setDecimals(5)
                span = high - low
                spin.setSingleStep(0.01 if span <= 1 else 0.1 if span <= 20 else 1.0)
                spin.setRange(low, high)
            else:
                spin.setRange(int(low), int(high))
            if field.unit:
                spin.setSuffix(f" {field.unit}")
            spin.setKeyboardTracking(False)
            spin.valueChanged.connect(lambda _: self.changed.emit())
            return spin
        line = QLineEdit()
        line.editingFinished.connect(self.changed.emit)
        return line

    def set_values(self, values: dict[str, Any]) -> None:
        """Show values; names that the form lacks are left out."""
        for name, value in values.items():
            widget = self._inputs.get(name)
            if widget is None:
                continue
            kind = self.fields[name].kind
            widget.blockSignals(True)
            if kind == "choice":
                widget.setCurrentText(str(value))
            elif kind == "bool":
                widget.setChecked(bool(value))
            elif kind in {"int", "float"}:
                widget.setValue(value)
            else:
                widget.setText(text_of(value))
            widget.blockSignals(False)

    def values(self) -> dict[str, Any]:
        """The values as they stand.

        Raises
        ------
        SynimgError
            If a text field holds no value.
        """
        return {name: self._value(field) for name, field in self.fields.items()}

    def _value(self, field: Field) -> Any:
        widget = self._inputs[field.name]
        if field.kind == "choice":
            return widget.currentText()
        if field.kind == "bool":
            return widget.isChecked()
        if field.kind in {"int", "float"}:
            return widget.value()
        return value_of(widget.text(), field.name)
