"""TIFF files that cannot be read end in one sentence."""

import contextlib
from collections.abc import Iterator

import tifffile

from synimg.errors import SynimgError


@contextlib.contextmanager
def reading_tiff(where: str, hint: str = "") -> Iterator[None]:
    """Turn what tifffile raises while it reads into one sentence, which begins with `where` and ends with `hint`."""
    try:
        yield
    except (tifffile.TiffFileError, ValueError, IndexError, OSError, RuntimeError) as error:
        raise SynimgError(f"{where}: not readable as TIFF ({str(error).splitlines()[0]}){hint}") from None
