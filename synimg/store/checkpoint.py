"""The state of a long computation, saved now and then, for an interrupted call to go on from."""

import pickle
from pathlib import Path
from typing import Any

from synimg.store.atomic import atomic_path


def save_checkpoint(path: Path, state: Any) -> None:
    """Save `state` to `path`, whole or not at all."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        pickle.dump(state, file, protocol=pickle.HIGHEST_PROTOCOL)


def load_checkpoint(path: Path) -> Any:
    """What `save_checkpoint` saved, or None where there is nothing whole; the work then begins anew."""
    try:
        with path.open("rb") as file:
            return pickle.load(file)
    except (OSError, EOFError, pickle.UnpicklingError, AttributeError, ImportError):
        return None
