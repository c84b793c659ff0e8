"""Every secret there is, and how a new one is had."""

from collections.abc import Mapping
from dataclasses import dataclass

from jarvis.kernel import config
from jarvis.kernel.config import Settings


@dataclass(frozen=True, slots=True)
class Kind:
    """One secret. `setting` is "" for what Jarvis makes and keeps itself."""

    name: str
    setting: str
    how: str
    """Where a new one is made, as the end of a sentence; "" where it is made here."""
    used: tuple[tuple[str, str], ...] = ()
    """(event type, the `provider` in its data or ""): events that tell that it was used."""

    @property
    def is_made_here(self) -> bool:
        return not self.how


WEBHOOK, SESSIONS, TOKEN, CODE = "github-webhook", "sessions", "api-token", "unlock-code"
KINDS = (
    Kind(SESSIONS, "", ""),
    Kind(TOKEN, "", ""),
    Kind(CODE, "", ""),
    Kind(WEBHOOK, "GITHUB_WEBHOOK_SECRET", "", (("github.delivery", ""),)),
    Kind(
        "github-token",
        "GITHUB_TOKEN",
        "at https://github.com/settings/tokens",
        (("github.sync", ""), ("github.summary", "")),
    ),
    Kind(
        "openai",
        "OPENAI_API_KEY",
        "where OPENAI_BASE_URL's keys are made (OpenAI: https://platform.openai.com/api-keys)",
        (("model.run.end", "openai"),),
    ),
    Kind("gemini", "GEMINI_API_KEY", "at https://aistudio.google.com/apikey", (("model.run.end", "gemini"),)),
    Kind(
        "google-client",
        "GOOGLE_OAUTH_CLIENT_SECRET",
        "at https://console.cloud.google.com/apis/credentials, with the client named in GOOGLE_OAUTH_CLIENT_ID",
        (("model.run.end", "gemini"),),
    ),
    Kind(
        "google-refresh",
        "GOOGLE_OAUTH_REFRESH_TOKEN",
        "by consenting again with the client (and revoked at https://myaccount.google.com/connections)",
        (("model.run.end", "gemini"),),
    ),
    Kind("backup-key-id", "BACKUP_S3_ACCESS_KEY_ID", "where the bucket's keys are made", (("backup.upload", ""),)),
    Kind("backup-key", "BACKUP_S3_SECRET_ACCESS_KEY", "where the bucket's keys are made", (("backup.upload", ""),)),
    Kind(
        "setup-password",
        "WEB_AUTH_SETUP_PASSWORD",
        "by you; once somebody can sign in it does nothing and is better taken out",
    ),
)
GOOGLE = frozenset(("google-client", "google-refresh"))
"""What the cached access token was had with."""


ROTATED_IN_STEPS = tuple(kind for kind in KINDS if kind.name == WEBHOOK)
"""Those of which the old one counts until somebody ends that."""


def find(name: str) -> Kind | None:
    """A kind by its own name or by that of its setting."""
    return next((kind for kind in KINDS if name.lower() == kind.name or name.upper() == kind.setting != ""), None)


def values(settings: Settings) -> Mapping[str, str]:
    """Every secret setting that has a value."""
    secret = (name for name, spec in config.specs().items() if spec.is_secret)
    found = {name: str(getattr(settings, name.lower())) for name in secret}
    return {name: value for name, value in found.items() if value}
