"""Runs the real supervisor on an archive: drive.py BOUNDS ARCHIVE LISTENER-FD ARG..."""

import json
import os
import sys

sys.path.insert(0, os.environ["TEST_ROOT"])

from jarvis.life import Bounds
from jarvis.process import HeldArchive
from jarvis.supervisor import main

bounds = Bounds()
for name, seconds in json.loads(sys.argv[1]).items():
    setattr(bounds, name, seconds)
if sys.argv[3]:  # as systemd would: the socket is descriptor 3, meant for this very process
    os.dup2(int(sys.argv[3]), 3)
    os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES="jarvis")
sys.exit(main(sys.argv[4:], HeldArchive(sys.argv[2]), bounds))
