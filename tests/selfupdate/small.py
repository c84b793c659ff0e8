"""A very small Jarvis: the real archive code around a server of thirty lines, so that a candidate builds in no time."""

import os
from pathlib import Path

from jarvis.archive import build, hosts
from jarvis.archive.container import Archive
from jarvis.archive.sources import Source

ROOT = Path(__file__).resolve().parents[2]
CLI = b'''"""The command line of a very small Jarvis."""

import json
import os
import socket
import sqlite3
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from jarvis import __version__
from jarvis.behaviour import DOES

PORT = 9
DATABASE = Path(os.environ.get("JARVIS_HOME", "/nonexistent")) / "jarvis.db"


def main(argv):
    if argv == ["migrate"]:
        return migrate()
    if argv == ["doctor", "--json"]:
        findings = [{"id": "sick", "severity": "error", "message": "It is."}] if DOES == "sick" else []
        if DOES == "tell":
            told = " ".join([reach(), *sorted(os.environ)])
            findings = [{"id": "told", "severity": "error", "message": told}]
        print(json.dumps({"findings": findings}))
        return 0
    return serve()


def reach():
    try:
        seen = open("SECRET").read() and "seen"
    except OSError:
        seen = "unseen"
    try:
        socket.create_connection(("127.0.0.1", PORT), 1).close()
        return f"reached {seen}"
    except OSError:
        return f"shut {seen}"


def migrate():
    connection = sqlite3.connect(DATABASE)
    if DOES == "lose":
        connection.execute("PRAGMA foreign_keys = off")
        connection.execute("DELETE FROM users")
    if DOES == "orphan":
        connection.execute("PRAGMA foreign_keys = off")
        connection.execute("INSERT INTO threads SELECT * FROM threads WHERE 0")
        connection.execute("UPDATE users SET id = id || 'x'")
    if DOES == "poison":
        connection.execute("CREATE TABLE poison (x)")
    if DOES == "bad migration":
        connection.execute("CREATE TABEL x")
    connection.commit()
    connection.close()
    if DOES == "garble":
        with DATABASE.open("r+b") as file:
            file.seek(4096)
            file.write(b"\\xff" * 20 * 4096)
    return 0


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        poisoned = "poison" in {name for (name,) in sqlite3.connect(DATABASE).execute("SELECT name FROM sqlite_schema")}
        ok = DOES != "unready" and (DOES == "poison" or not poisoned)
        version = "9.9.9" if DOES == "lie" else __version__
        body = {"ok": ok, "version": version, "checks": {"database": {"ok": ok, "core": True, "detail": ""}}}
        self.send_response(200 if ok else 503)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *words):
        pass


def serve():
    assert os.environ["LISTEN_PID"] == str(os.getpid())
    if DOES == "hang":
        time.sleep(600)
    if DOES == "eat":
        eaten = []
        while True:
            eaten.append(bytearray(os.urandom(1 << 20) * 8))
    if DOES == "crash":
        threading.Timer(0.7, lambda: (print("it hurts", flush=True), os._exit(3))).start()
    server = HTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
    server.socket = socket.socket(fileno=3)
    server.serve_forever()
'''
SMOKE = b"def test_it_has_teeth():\n    from jarvis.behaviour import TEETH\n    assert TEETH\n"
TINY_PYTEST = b'''"""What of pytest the tests of a very small Jarvis need."""

import runpy
import traceback
from pathlib import Path


def main(words):
    values = {words[at + 1] for at, word in enumerate(words) if word in ("-p", "--rootdir")}
    places = [Path(word) for word in words if not word.startswith("-") and word not in values]
    files = [file for place in places for file in (sorted(place.glob("test_*.py")) if place.is_dir() else [place])]
    failed = count = 0
    for file in files:
        for name, test in runpy.run_path(str(file)).items():
            if name.startswith("test_"):
                count += 1
                try:
                    test()
                except Exception:
                    traceback.print_exc()
                    print(f"FAILED {file}::{name}")
                    failed += 1
    return 1 if failed else 0 if count else 5
'''
KEPT = ("jarvis/__init__.py", "jarvis/archive/", "jarvis/__main__.py", "requirements.lock")


def source(does: str = "well", **more: bytes) -> Source:
    """Its tree. `does` is how it behaves; `more` adds files, with `__` for a slash and `_py` for an ending."""
    files = {}
    for path in sorted((ROOT / "jarvis").rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if name.startswith(KEPT):
            files[name] = path.read_bytes()
    files["requirements.lock"] = (ROOT / "requirements.lock").read_bytes()
    files["jarvis/cli.py"] = CLI
    files["jarvis/behaviour.py"] = f"DOES = {does!r}\nTEETH = True\n".encode()
    files["jarvis/supervisor.py"] = b"def main(argv, archive=None):\n    return 64\n"
    files["jarvis/kernel/__init__.py"] = b""
    files["jarvis/kernel/errors.py"] = (ROOT / "jarvis/kernel/errors.py").read_bytes()
    files["tests/smoke/test_ships.py"] = SMOKE
    for name, content in more.items():
        files[name.replace("__", "/").replace("_py", ".py")] = content
    return Source(files)


def write(folder: Path, made: Source) -> Path:
    """Its archive, at jarvis.pyz in a folder."""
    needs = build.Dependencies({}, {hosts.host_tag(): {}}, {"pytest/__init__.py": TINY_PYTEST}, {})
    build.write(build.build(made, needs), folder / "jarvis.pyz", checkers=())
    return folder / "jarvis.pyz"


def opened(path: Path) -> Archive:
    return Archive(os.open(path, os.O_RDONLY | os.O_CLOEXEC), str(path))
