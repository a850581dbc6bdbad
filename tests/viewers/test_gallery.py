"""Every figure by name, from a data set alone."""

import pytest

from synimg.errors import SynimgError
from synimg.store.dataset import Dataset
from synimg.viewers.gallery import FIGURES, draw, save
from synimg.viewers.source import Source

NOT_OF_TINY = {
    "groups": "without a question about groups",
    "input_gradient": "inputs come over fixed weights",
}


@pytest.fixture(scope="module")
def source(tiny_path):
    return Source(Dataset.open(tiny_path))


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_drawn_with_labelled_axes_or_says_why_not(source, name):
    if name in NOT_OF_TINY:
        with pytest.raises(SynimgError, match=NOT_OF_TINY[name]):
            draw(name, source)
        return
    figure = draw(name, source)
    plots = [axis for axis in figure.axes if axis.axison]
    assert name == "image" or plots
    # maps and panels that share an axis leave the label to one of them
    assert name == "image" or any(axis.get_xlabel() for axis in plots)


def test_a_figure_is_saved_and_the_same_data_give_the_same_bytes(tiny_path, tmp_path):
    for ending in ("png", "svg"):
        first = save("factor", tiny_path, tmp_path / f"a.{ending}").read_bytes()
        assert ending == "svg" or save("factor", tiny_path, tmp_path / "b.png").read_bytes() == first
    with pytest.raises(SynimgError, match=r"ends in \.png, \.pdf, \.svg"):
        save("factor", tiny_path, tmp_path / "a.jpg")
    with pytest.raises(SynimgError, match="did you mean 'factor'"):
        save("faktor", tiny_path, tmp_path / "a.png")


def test_a_figure_of_a_stage_that_is_missing_says_what_to_run(tiny_path):
    with pytest.raises(SynimgError, match="run 'synimg validate"):
        draw("counts", Source(Dataset.open(tiny_path), "other"))


def test_dendrites_are_compared_with_the_real_ones_of_a_folder(source, tmp_path, monkeypatch):
    monkeypatch.setenv("SYNIMG_MORPHOLOGIES", str(tmp_path))
    with pytest.raises(SynimgError, match=r"no \.swc, \.asc or \.h5 file there"):
        draw("dendrites", source)
    real = "1 1 0 0 0 5 -1\n2 3 0 0 40 1 1\n3 3 0 30 90 1 2\n4 3 30 0 80 1 2\n"
    (tmp_path / "cell.swc").write_text(real)
    left, _ = draw("dendrites", source).axes
    names = [line.get_label() for line in left.get_lines()]
    assert names == ["cell", "grown in the room of cell", "grown like it: 1, 40 µm, 0.01, 0.03, 0.4"]
    _, crossings = left.get_lines()[0].get_data()
    assert crossings[:3].tolist() == [1, 1, 1]
    assert max(crossings) == 2
