"""web.fetch: only listed hosts, and no way in by a redirect, a name, or an address in disguise."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from jarvis.host import fetching
from jarvis.kernel.errors import Denied, Invalid, Unavailable

PUBLIC = "93.184.216.34"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append((self.headers["Host"], self.path))
        status, headers, body = self.server.pages.get(self.path, (404, {"Content-Type": "text/plain"}, b"none"))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def site(monkeypatch):
    """A web site on this host that passes for a public one."""
    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.pages, server.asked = {}, []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    monkeypatch.setattr(fetching, "_is_public", lambda address: address == "127.0.0.1")
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def read(site, path="/", host="example.org", allowed=("example.org",)):
    addresses = {"example.org": ["127.0.0.1"], "docs.example.org": ["127.0.0.1"], "inside.example.org": ["10.0.0.1"]}
    url = f"http://{host}:{site.server_port}{path}"
    return fetching.fetch(url, allowed, lambda name, port: addresses[name])


def html(body, status=200, **headers):
    return status, {"Content-Type": "text/html; charset=utf-8"} | headers, body


def test_a_page_is_read_as_text(site):
    site.pages["/"] = html(b"<head><title>x</title></head><h1>Tides</h1><script>evil()</script><p>High at  nine.</p>")
    page = read(site)
    assert page.text == "Tides\nHigh at nine."
    assert site.asked == [(f"example.org:{site.server_port}", "/")]


@pytest.mark.parametrize("host", ["other.org", "example.org.evil.net", "evil-example.org", "docs.example.org"])
def test_a_host_that_is_not_listed_is_not_asked(site, host):
    with pytest.raises(Denied, match="WEB_FETCH_ALLOWED_HOSTS"):
        read(site, host=host)
    assert site.asked == []


def test_a_star_takes_hosts_below_and_not_beside(site):
    site.pages["/"] = html(b"ok")
    assert read(site, host="docs.example.org", allowed=("*.example.org",)).text == "ok"
    with pytest.raises(Denied):
        read(site, host="example.org", allowed=("*.example.org",))


def test_a_redirect_is_checked_like_the_first(site):
    port = site.server_port
    site.pages["/a"] = html(b"", 302, Location="/b")
    site.pages["/b"] = html(b"there")
    assert read(site, "/a").text == "there"
    for target in (f"http://inside.example.org:{port}/", "http://127.0.0.1/", "file:///etc/passwd", "//other.org/"):
        site.pages["/a"] = html(b"", 302, Location=target)
        with pytest.raises((Denied, Invalid)):
            read(site, "/a", allowed=("example.org", "inside.example.org"))


def test_redirects_without_end_are_left(site):
    site.pages["/a"] = html(b"", 302, Location="/a")
    with pytest.raises(Unavailable, match="more than 3"):
        read(site, "/a")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1",
        "2002:7f00:1::", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "fe80::1%eth0", "nonsense", "",
    ],
)  # fmt: skip
def test_an_address_inside_is_not_public_however_it_is_dressed(address):
    assert not fetching._is_public(address)


@pytest.mark.parametrize("address", [PUBLIC, "2606:2800:220:1:248:1893:25c8:1946", f"::ffff:{PUBLIC}"])
def test_one_outside_is(address):
    assert fetching._is_public(address)


def test_one_address_inside_among_others_is_enough_to_refuse():
    with pytest.raises(Denied, match="inside"):
        fetching.fetch("https://example.org/", ["example.org"], lambda host, port: [PUBLIC, "10.0.0.1"])


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/", "file:///etc/passwd", "example.org", "http://", "http://user:pw@example.org/",
        "http://exa mple.org/", "http://example.org/\r\nX: y", "http://example.org\\@evil.net/", "http://[::1]/",
        "http://example.org:99999/", "http://ex%61mple.org/", "javascript:alert(1)",
    ],
)  # fmt: skip
def test_what_is_no_plain_address_is_refused(url):
    with pytest.raises((Invalid, Denied)):
        fetching.fetch(url, ["example.org", "*"], lambda host, port: [PUBLIC])


def test_what_is_no_text_is_not_read(site):
    site.pages["/"] = (200, {"Content-Type": "application/octet-stream"}, b"\x00\x01")
    with pytest.raises(Unavailable, match="no text"):
        read(site)


def test_a_large_page_is_cut(site, monkeypatch):
    monkeypatch.setattr(fetching, "LARGEST", 100_000)
    site.pages["/"] = (200, {"Content-Type": "text/plain"}, b"x" * 500_000)
    assert len(read(site).text) == fetching.LONGEST_TEXT


def test_as_shipped_it_is_off(ctx, as_user):
    tool = ctx.registry.tools["web.fetch"]
    with pytest.raises(Denied, match="WEB_FETCH_ALLOWED_HOSTS"):
        tool.run(as_user("ada"), {"url": "https://example.org/", "workspace": "/"})
