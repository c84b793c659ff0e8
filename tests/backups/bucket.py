"""An S3-compatible server of the test's own: it checks each signature by the specification, then keeps the body."""

import hashlib
import hmac
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from jarvis.backups.s3 import Bucket, Keys

KEY_ID = "AKIA" + "TESTBUCKET"
SECRET = "-".join(("only", "known", "to", "the", "test", "bucket"))


class FakeS3:
    """Listens on a port of the system's choice while it is entered; `answers` are given before any is judged."""

    def __init__(self, answers=(), secret=SECRET):
        self.objects = {}
        self.refused = []
        self.answers = list(answers)
        self.secret = secret

    def __enter__(self):
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def bucket(self, secret=SECRET):
        return Bucket(self.url, "safe/here", Keys(KEY_ID, secret))

    def judge(self, method, path, headers, body):
        """(status, code) for a request, its signature computed step by step as the reference tells it."""
        found = re.fullmatch(
            r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8}/[\w-]+/s3/aws4_request),"
            r"SignedHeaders=([\w;-]+),Signature=(\w+)",
            headers.get("authorization", ""),
        )
        if found is None:
            return 400, "AuthorizationHeaderMalformed"
        digest = hashlib.sha256(body).hexdigest()
        if headers.get("x-amz-content-sha256") != digest:
            return 400, "XAmzContentSHA256Mismatch"
        names = found[3].split(";")
        if not {"host", "x-amz-date", "x-amz-content-sha256"} <= set(names):
            return 403, "AccessDenied"
        signed = "".join(f"{name}:{headers[name]}\n" for name in names)
        request = f"{method}\n{path}\n\n{signed}\n{found[3]}\n{digest}"
        hashed = hashlib.sha256(request.encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{headers['x-amz-date']}\n{found[2]}\n{hashed}"
        key = ("AWS4" + self.secret).encode()
        for part in found[2].split("/"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        wanted = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        if found[1] != KEY_ID or not hmac.compare_digest(wanted, found[4]):
            return 403, "SignatureDoesNotMatch"
        return 200, ""

    def _handler(self):
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_PUT(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                planned = outer.answers.pop(0) if outer.answers else None
                status, code = planned or outer.judge("PUT", self.path, headers, body)
                if status == 200:
                    outer.objects[self.path] = body
                else:
                    outer.refused.append(code)
                answer = f"<Error><Code>{code}</Code></Error>".encode() if code else b""
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                if status == 503:
                    self.send_header("Retry-After", "7")
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        return Handler
