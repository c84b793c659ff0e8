"""Google's access tokens: got with the refresh token, kept in a private file, renewed before they end."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from jarvis.agent.models.faults import ProviderFault
from jarvis.kernel.clock import SECOND, Clock
from jarvis.kernel.config import Settings, may_send
from jarvis.kernel.files import write_whole
from jarvis.kernel.outbound import Outbound, OutboundFault

SPARE_SECONDS = 60
SECONDS = 20.0
LARGEST = 64 * 1024
REVOKED = "Google has revoked the refresh token: make a new one and set GOOGLE_OAUTH_REFRESH_TOKEN"


@dataclass(frozen=True, slots=True)
class GoogleToken:
    """Gives an access token that is good for a minute at least; processes of one home renew it one at a time."""

    settings: Settings
    clock: Clock
    outbound: Outbound

    @property
    def path(self) -> Path:
        return self.settings.jarvis_home / "tokens" / "google.json"

    def __call__(self) -> str:
        """Raises ProviderFault when Google gives none, with what to do."""
        found = self._kept()
        if found:
            return found
        try:
            self.path.parent.mkdir(mode=0o700, exist_ok=True)
            with self._alone():
                return self._kept() or self._renewed()  # another may have renewed it while we waited
        except OSError as error:
            raise ProviderFault(f"{self.path} cannot be kept: {error.strerror}", is_passing=False) from error

    def forget(self, token: str) -> None:
        """Do not use a token again that Google has refused; one that another has renewed meanwhile stays."""
        with contextlib.suppress(OSError), self._alone():
            if self._kept() == token:
                self.path.unlink()

    def _kept(self) -> str:
        try:
            kept = json.loads(self.path.read_bytes()[:LARGEST])
            is_good = kept["client"] == self.settings.google_oauth_client_id and isinstance(kept["token"], str)
            return kept["token"] if is_good and kept["expires_at"] > self.clock() + SPARE_SECONDS * SECOND else ""
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        fd = os.open(self.path.with_suffix(".lock"), flags, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def _renewed(self) -> str:
        answer = self._ask()
        try:
            body = json.loads(answer[1])
        except ValueError:
            body = {}
        body = body if isinstance(body, dict) else {}
        if body.get("error") == "invalid_grant":
            raise ProviderFault(REVOKED, is_passing=False)
        token, seconds = body.get("access_token"), body.get("expires_in")
        if answer[0] != 200 or not isinstance(token, str) or not isinstance(seconds, int):
            why = str(body.get("error_description") or body.get("error") or f"status {answer[0]}")[:200]
            raise ProviderFault(f"Google gave no access token: {why}", is_passing=answer[0] >= 500)
        kept = {"client": self.settings.google_oauth_client_id, "token": token}
        expires = self.clock() + max(0, min(seconds, 86_400)) * SECOND
        write_whole(self.path, json.dumps(kept | {"expires_at": expires}).encode())
        return token

    def _ask(self) -> tuple[int, bytes]:
        settings = self.settings
        for secret in ("GOOGLE_OAUTH_CLIENT_SECRET", "GOOGLE_OAUTH_REFRESH_TOKEN"):
            if not may_send(settings, secret, "GOOGLE_OAUTH_TOKEN_URL"):
                why = f"{secret} is not sent to GOOGLE_OAUTH_TOKEN_URL: that comes from a less trusted place"
                raise ProviderFault(why, is_passing=False)
        form = urlencode(
            {
                "grant_type": "refresh_token",
                "client_id": settings.google_oauth_client_id,
                "client_secret": settings.google_oauth_client_secret,
                "refresh_token": settings.google_oauth_refresh_token,
            }
        )
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        url = settings.google_oauth_token_url
        try:
            answer = self.outbound.send(
                "POST", url, headers=headers, body=form.encode(), seconds=SECONDS, most_bytes=LARGEST
            )
        except OutboundFault as fault:
            raise ProviderFault(f"Google's token server: {fault}") from fault
        return answer.status, answer.body
