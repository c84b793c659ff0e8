"""A browser without a window: speaks WSGI to the application in this process, with cookies and forms."""

import io
import json as jsonlib
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode, urlsplit

ORIGIN = "http://localhost:8000"


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return jsonlib.loads(self.body)

    @property
    def location(self) -> str:
        return self.headers.get("location", "")

    def fields_at_fault(self) -> list[str]:
        """Names of the fields a problem names."""
        return [fault["field"] for fault in self.json.get("errors", [])]


@dataclass
class Form:
    """One form of a page: where it goes and what it would send untouched."""

    action: str
    method: str
    values: dict[str, str] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)


class FormReader(HTMLParser):
    """Collects every form of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._select = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if tag == "form":
            self.forms.append(Form(given.get("action") or "", (given.get("method") or "get").lower()))
        name = given.get("name") or ""
        if self.forms and name and tag == "button":
            self.forms[-1].names.add(name)  # sent only when it is the one pressed
        if self.forms and name and tag in ("input", "select", "textarea"):
            self.forms[-1].names.add(name)
            is_box = given.get("type") in ("checkbox", "radio")
            if tag == "input" and (not is_box or "checked" in given):
                self.forms[-1].values[name] = given.get("value") or ""
            self._select = name if tag == "select" else ""
        if self.forms and tag == "option" and self._select and "selected" in given:
            self.forms[-1].values[self._select] = given.get("value") or ""


def forms_of(page: str) -> list[Form]:
    """Every form of an HTML page."""
    reader = FormReader()
    reader.feed(page)
    return reader.forms


class Client:
    """Makes requests. Cookies are kept; a browser's Origin is sent with writes unless told otherwise."""

    def __init__(self, app: Any, start_session: Any = None, make_token: Any = None) -> None:
        self.app = app
        self.cookies: dict[str, str] = {}
        self.headers: dict[str, str] = {}
        self._start_session = start_session
        self._make_token = make_token

    def as_(self, username: str) -> "Client":
        """A browser signed in as somebody of the cast."""
        other = Client(self.app, self._start_session, self._make_token)
        other.cookies["jarvis_session"] = self._start_session(username)
        return other

    def bearer(self, username: str) -> "Client":
        """A script with an API token of somebody of the cast."""
        other = Client(self.app, self._start_session, self._make_token)
        other.headers["Authorization"] = f"Bearer {self._make_token(username)}"
        return other

    def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        form: dict[str, str] | None = None,
        body: bytes | None = None,
        headers: dict[str, str | None] | None = None,
        **environ: Any,
    ) -> Answer:
        """One request. A header given as None is not sent."""
        sent = self._headers(method, json, form) | self.headers | (headers or {})
        raw = body if body is not None else _encoded(json, form)
        answer = self._call(_environ(method, path, raw, {k: v for k, v in sent.items() if v is not None}) | environ)
        self._keep_cookie(answer)
        return answer

    def _headers(self, method: str, json: Any, form: Any) -> dict[str, str | None]:
        found: dict[str, str | None] = {"Host": "localhost:8000"}
        if json is not None:
            found["Content-Type"] = "application/json"
        if form is not None:
            found["Content-Type"] = "application/x-www-form-urlencoded"
        if method not in ("GET", "HEAD", "OPTIONS"):
            found["Origin"] = ORIGIN
        if self.cookies:
            found["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if form is not None or method == "GET":
            found["Accept"] = "text/html,application/xhtml+xml,*/*;q=0.8"
        return found

    def _call(self, environ: dict[str, Any]) -> Answer:
        got: list[Any] = []
        chunks = self.app(environ, lambda status, headers, *_: got.extend([status, headers]))
        body = b"".join(chunks)
        names = [name.lower() for name, _ in got[1]]
        assert len(names) == len(set(names)), f"a header is sent twice: {names}"
        return Answer(int(got[0].split()[0]), {name.lower(): value for name, value in got[1]}, body)

    def _keep_cookie(self, answer: Answer) -> None:
        if "set-cookie" in answer.headers:
            pair, _, attributes = answer.headers["set-cookie"].partition(";")
            name, _, value = pair.partition("=")
            self.cookies.pop(name, None)
            if value and "Max-Age=0" not in attributes:
                self.cookies[name] = value

    def get(self, path: str, **more: Any) -> Answer:
        return self.request("GET", path, **more)

    def post(self, path: str, **more: Any) -> Answer:
        return self.request("POST", path, **more)

    def put(self, path: str, **more: Any) -> Answer:
        return self.request("PUT", path, **more)

    def patch(self, path: str, **more: Any) -> Answer:
        return self.request("PATCH", path, **more)

    def delete(self, path: str, **more: Any) -> Answer:
        return self.request("DELETE", path, **more)

    def submit(self, page: str, action: str, **typed: str) -> Answer:
        """Open a page, fill in the form that goes to `action` and send it, hidden fields and all."""
        shown = self.get(page)
        assert shown.status < 400, f"{page}: {shown.status}"
        found = [form for form in forms_of(shown.text) if form.action == action and form.method == "post"]
        assert found, f"{page} has no form to {action}: {[form.action for form in forms_of(shown.text)]}"
        unknown = set(typed) - found[0].names
        assert not unknown, f"the form to {action} has no field {unknown}"
        return self.post(action, form=found[0].values | typed)


def _encoded(json: Any, form: dict[str, str] | None) -> bytes:
    if json is not None:
        return jsonlib.dumps(json).encode()
    return urlencode(form).encode() if form is not None else b""


def _environ(method: str, target: str, body: bytes, headers: dict[str, str]) -> dict[str, Any]:
    parts = urlsplit(target)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": _decoded(parts.path),
        "QUERY_STRING": parts.query,
        "REMOTE_ADDR": "127.0.0.1",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.version": (1, 0),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    if body:
        environ["CONTENT_LENGTH"] = str(len(body))
    for name, value in headers.items():
        key = name.upper().replace("-", "_")
        environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
    return environ


def _decoded(path: str) -> str:
    """The path as a WSGI server hands it over: bytes shown as Latin-1."""
    from urllib.parse import unquote_to_bytes

    return unquote_to_bytes(path).decode("latin-1")
