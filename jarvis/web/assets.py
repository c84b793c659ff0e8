"""Files from static/: read once, named by what they hold, served with their type."""

import hashlib
import threading
from dataclasses import dataclass

from jarvis.archive import resources
from jarvis.kernel.errors import NotFound
from jarvis.web.routes import Access, Reply, Request, Routes

TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "png": "image/png",
    "txt": "text/plain; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file and its digest."""

    body: bytes
    digest: str


class Assets:
    """Reads each file once; `is_live` reads it anew each time, for `serve --reload`."""

    def __init__(self, *, is_live: bool = False) -> None:
        self._is_live = is_live
        self._kept: dict[str, Asset] = {}
        self._lock = threading.Lock()

    def get(self, name: str) -> Asset:
        kept = self._kept.get(name)
        if kept is None or self._is_live:
            body = resources.read_bytes(f"static/{name}")
            kept = Asset(body, hashlib.sha256(body).hexdigest()[:12])
            with self._lock:
                self._kept[name] = kept
        return kept

    def url(self, name: str) -> str:
        """Address that changes with the content, so browsers may keep it for ever."""
        return f"/static/{name}?v={self.get(name).digest}"


def routes_for(assets: Assets) -> Routes:
    """The one route that serves them."""
    routes = Routes("files")

    @routes.get("/static/{name:path}", Access.ALL, "A style sheet, script or image.", answers={200: "the file"})
    def show(request: Request) -> Reply:
        name = request.path["name"]
        kind = TYPES.get(name.rpartition(".")[2])
        try:
            asset = assets.get(name) if kind else None
        except FileNotFoundError:
            asset = None
        if asset is None or kind is None:
            raise NotFound("There is no such file.")
        etag = f'"{asset.digest}"'
        versioned = request.environ.get("QUERY_STRING") == f"v={asset.digest}"
        headers = {
            "Content-Type": kind,
            "ETag": etag,
            "Cache-Control": "public, max-age=31536000, immutable" if versioned else "no-cache",
        }
        if request.header("If-None-Match") == etag:
            return Reply(304, b"", headers)
        return Reply(200, asset.body, headers)

    return routes
