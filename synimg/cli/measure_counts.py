"""What `synimg measure --old --new` does: receptors counted in images of any lab."""

from pathlib import Path
from typing import Any

import typer

from synimg.cli.options import numbers
from synimg.cli.say import say, say_quality
from synimg.errors import SynimgError


def lab_of(recording: Path | None, camera: Path | None, psf: str | None, tracing: Any) -> Any:
    """How a lab's recordings are to be measured."""
    from synimg.analysis.lab import Lab
    from synimg.analysis.lab_recording import LabRecording, read_recording
    from synimg.analysis.measure_settings import MeasureSettings
    from synimg.config import read_camera

    known = LabRecording() if recording is None else read_recording(recording)
    sigma_um: Any = None
    if psf is not None and psf not in {"stated", "puncta"}:
        try:
            sigma_um = numbers("--psf", psf)
        except SynimgError:
            sigma_um = ()
        if len(sigma_um) != 3:
            raise SynimgError(
                f"--psf = {psf}: it takes stated, puncta, or the sd along Z,Y,X in um, such as 0.27,0.1,0.1"
            )
    settings = MeasureSettings.parse({"psf": "puncta"} if psf == "puncta" else {}, "measure")
    return Lab(known.with_(None if camera is None else read_camera(camera), sigma_um), settings, tracing)


def measure_counts(
    images: list[Path],
    channels: dict[str, str],
    lab: Any,
    out: Path,
    voxel: tuple[float, ...] | None,
    where: tuple[int | None, str | None],
) -> None:
    """Measure the recordings and say of each how good it is and what comes next."""
    from synimg.analysis.lab import measure_recordings
    from synimg.progress import bars
    from synimg.viewers.figures.recording import save_recording

    with bars() as report:
        found = measure_recordings(images, channels, lab, out, voxel, where, report, save_recording)
    incomplete = False
    for one in found:
        quality = say_quality(one.folder)
        for sentence in one.notes:
            say(f"note: {sentence}")
        incomplete |= bool(quality.missing.places)
        said = f"{one.folder}: {one.n_synapses} synapses measured{', INCOMPLETE' if quality.missing.places else ''}"
        if one.n_synapses:
            target = out.with_name(out.name + "-separated")
            target = target / one.name if len(found) > 1 else target
            said += f"; next: synimg separate {one.folder / 'synapses.parquet'} --out {target}"
        say(said)
    if incomplete:
        raise typer.Exit(3)
