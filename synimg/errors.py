"""The one exception that a user's mistake raises."""


class SynimgError(Exception):
    """A user's mistake in one sentence: where, what was found, what would be right.

    The command line prints the sentence and leaves with exit code 2.
    """


class UnworkableError(SynimgError):
    """A configuration that cannot work: the same call would end the same way, so there is nothing to keep."""


def nearest(word: str, known: list[str]) -> str:
    """`known` as text for an error message, the entry nearest to `word` first if one is near."""
    import difflib

    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    if near:
        return f"did you mean '{near[0]}'?"
    return f"known: {', '.join(sorted(known))}"
