"""Real processes of a real archive, and clients that speak to them over a socket."""

import http.client
import json as jsonlib
import os
import re
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.client import Answer
from tests.web.peers import Peer

PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Ran:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return jsonlib.loads(self.out)


class Http:
    """One keep-alive connection of a script with a token, or of nobody; opened again when the server closed it."""

    def __init__(self, url: str, token: str = "") -> None:
        parts = urlsplit(url)
        self.address = (parts.hostname or "", parts.port or 0)
        self.token = token
        self._connection = http.client.HTTPConnection(*self.address, timeout=PATIENCE_SECONDS)

    def request(
        self, method: str, path: str, json: Any = None, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        sent = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if json is not None:
            body, sent["Content-Type"] = jsonlib.dumps(json).encode(), "application/json"
        self._connection.request(method, path, body, sent | (headers or {}))
        found = self._connection.getresponse()
        data = found.read()
        return Answer(found.status, {name.lower(): value for name, value in found.getheaders()}, data)

    def get(self, path: str, **more: Any) -> Answer:
        return self.request("GET", path, **more)

    def post(self, path: str, json: Any = None, **more: Any) -> Answer:
        return self.request("POST", path, json, **more)

    def patch(self, path: str, json: Any) -> Answer:
        return self.request("PATCH", path, json)

    def delete(self, path: str) -> Answer:
        return self.request("DELETE", path)

    def new_thread(self) -> str:
        return str(self.post("/api/v1/threads", {}).json["id"])

    def ask(self, thread: str, content: str, client_id: str | None = None) -> Answer:
        fields = {"content": content} | ({"client_id": client_id} if client_id else {})
        return self.post(f"/api/v1/threads/{thread}/messages", fields)

    def messages(self, thread: str) -> list[dict[str, Any]]:
        """Every message of a conversation, oldest first."""
        found: list[dict[str, Any]] = []
        since = "0"
        while since:
            page = self.get(f"/api/v1/threads/{thread}/messages?limit=200&since_seq={since}").json
            found += page["items"]
            since = page["next"]
        return found

    def close(self) -> None:
        self._connection.close()


@dataclass
class Host:
    """A stranger's machine: one archive, one home, an environment with nothing of ours in it."""

    archive: Path
    home: Path
    cwd: Path
    env: dict[str, str] = field(default_factory=dict)
    python: str = sys.executable

    def environment(self, **more: str) -> dict[str, str]:
        base = {"PATH": os.environ["PATH"], "HOME": str(self.cwd), "LC_ALL": "C.UTF-8"}
        return base | {"JARVIS_HOME": str(self.home), "BIND_PORT": "0"} | self.env | more

    def run(
        self,
        *words: str | bytes,
        stdin: str = "",
        cwd: Path | None = None,
        env: dict[str, str] | None = None,
        **more: Any,
    ) -> Ran:
        """One command to its end."""
        ended = subprocess.run(
            [self.python, str(self.archive), *words],
            cwd=cwd or self.cwd,
            env=self.environment(**(env or {})),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
            **more,
        )
        return Ran(ended.returncode, ended.stdout, ended.stderr)


class Running:
    """One `serve` and what it says to its service manager, in a session of its own."""

    def __init__(self, host: Host, *flags: str, **env: str) -> None:
        self.host = host
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.manager.settimeout(PATIENCE_SECONDS)
        self.manager.bind("")  # the kernel finds an abstract name
        address = "@" + self.manager.getsockname()[1:].decode()
        self.log = host.cwd / f"log-{address[1:]}"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [host.python, str(host.archive), "serve", *flags],
                cwd=host.cwd,
                env=host.environment(NOTIFY_SOCKET=address, **env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.url = ""
        self.clients: list[Any] = []

    def until_ready(self) -> None:
        try:
            self.hear("READY=1")
        except TimeoutError:
            raise AssertionError(f"not ready: {self.said()}") from None
        self.url = re.findall(r" serves (http://\S+?);", self.said())[-1]

    @property
    def pid(self) -> int:
        return self.process.pid

    def hear(self, start: str) -> str:
        """The next datagram to the service manager that starts like this."""
        while not (said := self.manager.recv(4096).decode()).startswith(start):
            pass
        return said

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def worker_pid(self) -> int:
        """The worker that serves now, as it says itself before it is ready."""
        return int(jsonlib.loads((self.host.home / "run" / "server.json").read_text())["pid"])

    def http(self, token: str = "") -> Http:
        """A client; closed with the server."""
        self.clients.append(Http(self.url, token))
        return self.clients[-1]

    def peer(self, *headers: str) -> Peer:
        """A WebSocket; closed with the server."""
        peer = Peer(self.http().address, "/ws", *headers)
        self.clients.append(peer)
        return peer

    def listener(self, token: str, thread: str, after: int | None = None) -> Peer:
        """A script subscribed to a conversation."""
        peer = self.peer(f"Authorization: Bearer {token}")
        peer.text()
        asked = {"action": "subscribe", "thread_id": thread} | ({} if after is None else {"after": after})
        peer.say(jsonlib.dumps(asked))
        assert jsonlib.loads(peer.text())["type"] == "subscribed"
        return peer

    def settled(self, token: str, thread: str) -> list[dict[str, Any]]:
        """Every message of a conversation once no reply is being written."""
        peer, client = self.listener(token, thread), self.http(token)
        while any(found["status"] in ("pending", "streaming") for found in client.messages(thread)):
            peer.text()  # whatever happens in the conversation is told here
        peer.close()
        return client.messages(thread)

    def restart(self) -> None:
        self.signal(signal.SIGHUP)
        self.hear("RELOADING=1")
        self.hear("READY=1")

    def kill_worker(self) -> int:
        """kill -9, and wait for the next one; the pid of the dead."""
        pid = self.worker_pid()
        os.kill(pid, signal.SIGKILL)
        self.hear("READY=1")
        return pid

    def signal(self, signum: int) -> None:
        self.process.send_signal(signum)

    def stop(self) -> int:
        self.signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_SECONDS)

    def left_behind(self) -> list[int]:
        """Processes of this server's session that still run."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:  # it has just ended
                continue
            if int(fields[3]) == self.pid and fields[0] != "Z":
                found.append(int(stat.parent.name))
        return found

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for client in self.clients:
            client.close()
        self.manager.close()


Serve = Callable[..., Running]
Refused = Callable[..., tuple[int, str]]


def wait_for_exit(pid: int) -> None:
    """Block until this process, not a child of ours, is gone."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([fd], [], [], PATIENCE_SECONDS)[0], f"process {pid} stays"
    finally:
        os.close(fd)
