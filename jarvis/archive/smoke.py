"""Runs the tests that the archive carries against the archive itself, with the pytest it carries.

    python jarvis.pyz --run-tests [PYTEST ARGUMENT …]      tests/smoke when none is given

Needs neither git nor pip. The tests lie in a temporary directory; `jarvis` comes from the archive.
"""

import os
import sys
import tempfile
from pathlib import Path

from jarvis.archive.container import Archive


def main(argv: list[str]) -> int:
    """pytest's exit code; 64 in a checkout."""
    from jarvis.archive.launch import archive

    held = archive()
    if held is None:
        sys.stderr.write("jarvis: --run-tests is for an archive; in a checkout run pytest.\n")
        return 64
    with tempfile.TemporaryDirectory(prefix="jarvis-tests-") as folder:
        source, tools = Path(folder, "src"), Path(folder, "tools")
        unpack(held.nested("src.zip"), source)
        unpack(held.nested("test.zip"), tools)
        return _run(source, tools, argv[1:] or ["tests/smoke"])


def unpack(tree: Archive, folder: Path) -> None:
    """Write every entry below a folder; raises OSError, Damaged."""
    for name in tree.names():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.writelines(tree.slices(name))


def _run(source: Path, tools: Path, arguments: list[str]) -> int:
    sys.path.insert(0, str(tools))
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    os.chdir(source)
    import pytest

    return int(pytest.main(["-p", "no:cacheprovider", *arguments]))
