"""The rollback drill of a real archive, which takes a minute: a part of the proof."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(not os.environ.get("JARVIS_PROOF"), reason="a minute of real servers: JARVIS_PROOF=1")
def test_a_real_archive_comes_back_from_a_harmless_and_from_a_broken_update(tmp_path):
    archive, home = tmp_path / "opt" / "jarvis.pyz", tmp_path / "home"
    archive.parent.mkdir()
    build = [sys.executable, str(ROOT / "build_zipapp.py"), "--target", "host", "-o", str(archive)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=300)
    before = archive.read_bytes()
    ran = subprocess.run(
        [sys.executable, str(archive), "selfupdate", "drill", "--json"],
        env={"PATH": os.defpath, "JARVIS_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    report = json.loads(ran.stdout)
    assert (ran.returncode, report["problem"]) == (0, None)
    assert [step["name"].split(",")[0] for step in report["steps"]] == [
        "build both candidates",
        "start the copy",
        "harmless update verified",
        "taken back by hand",
        "broken update taken back by itself",
    ]
    assert archive.read_bytes() == before
    assert [path.name for path in archive.parent.iterdir()] == ["jarvis.pyz"]
    assert not list(home.glob("drill-*"))
