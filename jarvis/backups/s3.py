"""One file put into an S3-compatible bucket, signed with AWS Signature Version 4."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from urllib.parse import quote, urlsplit

from jarvis.kernel.errors import TryAgain, Unavailable
from jarvis.kernel.outbound import Answer, Outbound, OutboundFault

ALGORITHM = "AWS4-HMAC-SHA256"
SILENCE_SECONDS = 120.0
MOST_BYTES = 5 * 10**9
"""The largest single PUT that S3 takes."""
LARGEST_ANSWER = 64 * 1024
CODE = re.compile(rb"<Code>([A-Za-z0-9]{1,64})</Code>")
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
"""A bucket, and after it the folder in it when there is one."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Who signs, and for which region and service."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    region: str = "us-east-1"
    service: str = "s3"

    def scope(self, at: datetime) -> str:
        return f"{at:%Y%m%d}/{self.region}/{self.service}/aws4_request"

    def signing_key(self, at: datetime) -> bytes:
        """The key of one day, region and service, derived as the specification says."""
        key = b"AWS4" + self.secret_access_key.encode()
        for part in self.scope(at).split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        return key


def authorization(
    keys: Keys, method: str, path: str, query: str, headers: Mapping[str, str], body_sha256: str, at: datetime
) -> str:
    """The Authorization header of a request.

    `path` and `query` stand as they are sent, the query sorted; all of `headers` is signed, x-amz-date among it.
    """
    lines = sorted((name.lower(), " ".join(value.split())) for name, value in headers.items())
    signed = ";".join(name for name, _ in lines)
    shown = "".join(f"{name}:{value}\n" for name, value in lines)
    canonical = "\n".join((method, path, query, shown, signed, body_sha256))
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = "\n".join((ALGORITHM, f"{at:%Y%m%dT%H%M%SZ}", keys.scope(at), digest))
    signature = hmac.new(keys.signing_key(at), to_sign.encode(), "sha256").hexdigest()
    return f"{ALGORITHM} Credential={keys.access_key_id}/{keys.scope(at)},SignedHeaders={signed},Signature={signature}"


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where files go: an endpoint with the bucket in the path, which every S3-compatible server understands."""

    endpoint: str
    name: str
    keys: Keys

    def put(self, outbound: Outbound, source: Path, key: str, at: datetime) -> None:
        """Send a file under a name, streamed; its hash is signed, so what arrives otherwise is refused there.

        Raises TryAgain or Unavailable with the reason, never with a key.
        """
        size = source.stat().st_size
        if size > MOST_BYTES:
            raise Unavailable(f"{source.name} is larger than the 5 GB that one upload may have.")
        with source.open("rb") as body:
            digest = hashlib.file_digest(body, "sha256").hexdigest()
            body.seek(0)
            url, headers = self._signed(key, digest, at)
            headers |= {"content-length": str(size), "content-type": "application/octet-stream"}
            try:
                answer = outbound.send(
                    "PUT", url, headers=headers, body=body, seconds=SILENCE_SECONDS, most_bytes=LARGEST_ANSWER
                )
            except OutboundFault as fault:
                raise TryAgain(f"{self._host} could not be reached: {fault}.") from fault
        if answer.status not in (200, 201, 204):
            raise self._refusal(answer)

    @property
    def _host(self) -> str:
        return urlsplit(self.endpoint).netloc

    def _signed(self, key: str, digest: str, at: datetime) -> tuple[str, dict[str, str]]:
        parts = urlsplit(self.endpoint)
        path = quote(f"{parts.path.rstrip('/')}/{self.name}/{key}", safe="/-._~")
        headers = {"host": parts.netloc, "x-amz-content-sha256": digest, "x-amz-date": f"{at:%Y%m%dT%H%M%SZ}"}
        signature = authorization(self.keys, "PUT", path, "", headers, digest, at)
        return f"{parts.scheme}://{parts.netloc}{path}", headers | {"authorization": signature}

    def _refusal(self, answer: Answer) -> Unavailable | TryAgain:
        found = CODE.search(answer.body)
        code = found[1].decode() if found else ""
        said = f"{self._host} answered {answer.status}{f' ({code})' if code else ''}"
        if code == "RequestTimeTooSkewed":
            return Unavailable(f"{said}: the clock of this host is wrong.")
        if answer.status in (401, 403):
            return Unavailable(f"{said}: the access key is wrong, or may not write to {self.name}.")
        if answer.status == 404:
            return Unavailable(f"{said}: there is no bucket {self.name}.")
        if answer.status == 429 or answer.status >= 500:
            after = answer.headers.get("retry-after", "")
            return TryAgain(f"{said}.", retry_after_seconds=int(after) if re.fullmatch(r"\d{1,4}", after) else None)
        return Unavailable(f"{said}.")
