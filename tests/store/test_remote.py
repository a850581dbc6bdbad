"""A data set at an fsspec address is made, read, mended and measured as if it lay here."""

import fsspec
import pytest

import synimg
from synimg import config
from synimg.cli import main
from synimg.errors import SynimgError
from synimg.store.dataset import Dataset
from synimg.store.remote import is_address, mirror_folder, mirrored

ADDRESS = "memory://lab/mouse"


@pytest.fixture(autouse=True)
def memory(monkeypatch, tmp_path):
    monkeypatch.setenv("SYNIMG_CACHE", str(tmp_path / "cache"))
    fs = fsspec.filesystem("memory")
    yield fs
    fs.store.clear()
    fs.pseudo_dirs[:] = [""]


def test_the_address_holds_the_bytes_of_a_local_data_set(settings, memory, tmp_path):
    local = synimg.generate(settings, tmp_path / "mouse")
    synimg.generate(settings, ADDRESS)
    files = sorted(file for file in local.path.rglob("*") if file.is_file())
    assert sorted(memory.find("/lab/mouse")) == [f"/lab/mouse/{file.relative_to(local.path)}" for file in files]
    for file in files:
        assert memory.cat_file(f"/lab/mouse/{file.relative_to(local.path)}") == file.read_bytes()


def test_it_is_read_from_there_and_a_second_call_sends_nothing(settings, memory, monkeypatch, tmp_path):
    synimg.generate(settings, ADDRESS)
    monkeypatch.setenv("SYNIMG_CACHE", str(tmp_path / "another machine"))
    assert Dataset.open(ADDRESS).verify() == []
    monkeypatch.setattr(memory, "put", lambda *args: pytest.fail(str(args)))
    synimg.generate(settings, ADDRESS)


def test_an_interrupted_run_goes_on_and_leaves_no_half_stage_there(settings, memory):
    def interrupt(what, done, total):
        if (what, done) == ("rendering", 3):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synimg.generate(settings, ADDRESS, report=interrupt)
    assert memory.exists("/lab/mouse/truth/network.h5")
    assert not any("image.ome.zarr" in name or ".partial" in name for name in memory.find("/lab/mouse"))
    rendered = []
    synimg.generate(settings, ADDRESS, report=lambda what, done, total: rendered.append((what, total)))
    assert ("rendering", 6) in rendered
    assert memory.exists("/lab/mouse/image.ome.zarr/zarr.json")


def test_a_flipped_byte_there_is_found_and_mended_there(settings, memory):
    synimg.generate(settings, ADDRESS)
    name = "/lab/mouse/image.ome.zarr/0/c/0/1/0/1"
    whole = memory.cat_file(name)
    memory.pipe_file(name, whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    with mirrored(ADDRESS, is_checked=False) as folder:
        assert Dataset.open(folder).verify() == ["image.ome.zarr/0/c/0/1/0/1: altered (stage image)"]
    with mirrored(ADDRESS, is_checked=False) as folder:
        synimg.repair(folder)
    assert memory.cat_file(name) == whole


def test_altered_bytes_are_refused_before_anything_uses_them(settings, memory, monkeypatch, tmp_path):
    synimg.generate(settings, ADDRESS)
    memory.pipe_file("/lab/mouse/truth/neurons.parquet", b"something else")
    monkeypatch.setenv("SYNIMG_CACHE", str(tmp_path / "another machine"))
    with pytest.raises(SynimgError, match=r"neurons\.parquet is altered there"):
        Dataset.open(ADDRESS)


def test_what_is_written_and_what_is_dropped_here_is_so_there(memory):
    with mirrored(ADDRESS) as folder:
        folder.mkdir(parents=True)
        (folder / "one").write_text("1")
        (folder / "two").write_text("2")
    with mirrored(ADDRESS) as folder:
        (folder / "one").unlink()
    assert memory.find("/lab/mouse") == ["/lab/mouse/two"]


def test_the_commands_take_an_address_where_they_take_a_folder(settings, memory, monkeypatch, tmp_path, capsys):
    (tmp_path / "mouse.toml").write_text(config.to_toml(settings))
    calls = (["generate", str(tmp_path / "mouse.toml"), "--workers", "1", f"--out={ADDRESS}"], ["verify", ADDRESS])
    for arguments in calls:
        monkeypatch.setattr("sys.argv", ["synimg", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        assert left.value.code == 0
    assert memory.exists("/lab/mouse/image.ome.zarr/zarr.json")
    assert f"next: synimg measure {ADDRESS}" in capsys.readouterr().err
    memory.pipe_file("/lab/mouse/truth/neurons.parquet", b"something else")
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 3
    assert "truth/neurons.parquet: altered" in capsys.readouterr().out


def test_a_file_address_is_the_folder_itself(tmp_path):
    with mirrored(f"file://{tmp_path}/mouse") as folder:
        assert folder == tmp_path / "mouse"


def test_an_address_that_cannot_be_written_is_refused_before_the_work(settings, memory, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError("no such bucket")

    monkeypatch.setattr(memory, "pipe_file", refuse)
    with pytest.raises(SynimgError, match=r"memory://lab/mouse: no such bucket; check the address"):
        synimg.generate(settings, ADDRESS, report=lambda *said: pytest.fail(str(said)))


def test_a_local_path_is_no_address():
    assert is_address("s3://bucket/mouse")
    assert not is_address("C:/mouse")
    assert mirror_folder("s3://a/b") != mirror_folder("s3://a_b")


def test_an_unknown_protocol_is_one_sentence(settings):
    with pytest.raises(SynimgError, match=r"carrier://pigeon/mouse: Protocol not known: carrier; check the address"):
        synimg.generate(settings, "carrier://pigeon/mouse")
