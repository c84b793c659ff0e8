"""Entry for `python -m jarvis`: as from the archive, so `serve` gets its supervisor here too."""

import sys

from jarvis.archive.launch import dispatch

sys.exit(dispatch(sys.argv[1:]))
