"""The worker of these tests: the real frame around a few lines of HTTP that do as they are told.

It is packed as `__main__.py` of an archive. Its orders are one JSON argument after `serve`.
"""

import ctypes
import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

sys.path.insert(0, os.environ["TEST_ROOT"])

from jarvis.kernel.errors import JarvisError
from jarvis.worker import Lifeline, Plan, run_worker

VERSION = "VERSION_OF_THIS_ARCHIVE"
PR_GET_DUMPABLE = 3


class Site:
    def __init__(self, orders: dict, line: Lifeline) -> None:
        self.orders = orders
        self.line = line
        self.restart = threading.Event()
        self.is_silent = threading.Event()

    def answer(self, path: str) -> str:
        match path:
            case "/pid":
                return str(os.getpid())
            case "/version":
                return VERSION
            case "/environ":
                return json.dumps(dict(os.environ))
            case "/dumpable":
                return str(ctypes.CDLL(None).prctl(PR_GET_DUMPABLE, 0, 0, 0, 0))
            case "/child":  # inherits every descriptor that is not close-on-exec
                child = subprocess.Popen(
                    ["sleep", "60"], close_fds=False, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
                )
                return str(child.pid)
            case "/crash":
                os._exit(3)
            case "/silence":
                self.is_silent.set()
            case "/restart":
                self.restart.set()
        return "ok"

    def converse(self, connection: socket.socket) -> None:
        with connection:
            request = connection.recv(4096).decode()
            text = self.answer(request.split(" ")[1]) if request else ""
            connection.sendall(f"HTTP/1.0 200 OK\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode())

    def accept(self, listener: socket.socket) -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=self.converse, args=(connection,), daemon=True).start()

    def beat(self) -> None:
        pause = threading.Event()
        while not self.is_silent.is_set():
            self.line.beat()
            pause.wait(0.05)

    def serve(self, listener: socket.socket, drain: threading.Event) -> int:
        Path(self.orders["home"], "port").write_text(str(listener.getsockname()[1]))
        threading.Thread(target=self.accept, args=(listener,), daemon=True).start()
        threading.Thread(target=self.beat, daemon=True).start()
        self.line.ready()
        while not drain.wait(0.02):
            if self.restart.is_set():
                self.line.stopping(restart=True)
                return 88
        self.line.stopping()
        if self.orders.get("is_deaf"):
            threading.Event().wait()
        return 0


def main() -> int:
    orders = json.loads(sys.argv[2])
    if "exit" in orders:
        return int(orders["exit"])
    plan = Plan(
        Path(orders["home"]),
        "127.0.0.1",
        orders.get("port", 0),
        orders.get("drain_seconds", 5),
        takes_lock=orders.get("takes_lock", True),
    )
    try:
        return run_worker(plan, lambda listener, drain, line: Site(orders, line).serve(listener, drain))
    except JarvisError as error:
        print(error, file=sys.stderr, flush=True)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
