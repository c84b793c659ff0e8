"""Writes a folder of the source tree that the archive carries, for a host on which there is only the one file.

python jarvis.pyz --unpack deploy      writes ./deploy; what is there already is left alone, exit 1
"""

import json
import os
import sys
from pathlib import Path


def main(argv: list[str]) -> int:
    """0 when it is written, 1 when the folder exists, 64 when there is no such folder or no archive."""
    from jarvis.archive.launch import archive

    held = archive()
    if held is None:
        sys.stderr.write("jarvis: --unpack is for an archive; a checkout has the folders already.\n")
        return 64
    source = held.nested("src.zip")
    folders = sorted({name.partition("/")[0] for name in source.names() if "/" in name})
    if len(argv) != 2 or argv[1] not in folders:
        sys.stderr.write(f"jarvis: --unpack takes one of {', '.join(folders)}.\n")
        return 64
    executables = set(json.loads(held.read("BUILD.json"))["executables"])
    try:
        Path(argv[1]).mkdir()
    except FileExistsError:
        sys.stderr.write(f"jarvis: {argv[1]} is there already; move it away first.\n")
        return 1
    for name in [name for name in source.names() if name.startswith(argv[1] + "/")]:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = 0o755 if name in executables else 0o644
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.writelines(source.slices(name))
    return 0
