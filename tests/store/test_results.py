"""A folder of results that a call fills, whole or not at all."""

import pytest

from synimg.store.results import filling


def stop(out, *files):
    """A call that is stopped when it has written some files."""
    with filling(out, ["a", "b"]) as scratch:
        for file in files:
            (scratch / file).parent.mkdir(exist_ok=True)
            (scratch / file).write_text("half")
        raise KeyboardInterrupt


def test_a_stopped_call_goes_on_with_its_parts_and_with_nothing_else(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        stop(tmp_path / "out", "a/table", "b/table", "summary", "result.json")
    with filling(tmp_path / "out", ["a", "c"]) as scratch:
        assert [p.relative_to(scratch).as_posix() for p in scratch.rglob("*")] == ["a", "a/table"]
        (scratch / "result.json").write_text("whole")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a", "result.json"]


def test_a_call_that_is_stopped_at_once_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        stop(tmp_path / "out")
    assert not (tmp_path / "out").exists()
