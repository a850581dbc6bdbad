"""``python -m synimg``: the command line."""

from synimg.cli import main

if __name__ == "__main__":
    main()
