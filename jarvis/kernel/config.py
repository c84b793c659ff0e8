"""Settings: one table of names, types, defaults and meanings, and where each value came from."""

import dataclasses
import difflib
import re
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jarvis.kernel import envfile
from jarvis.kernel.envfile import read_trusted as read_trusted
from jarvis.kernel.errors import Misconfigured
from jarvis.kernel.secrets import Redactor

CREDENTIAL = "credential"
TOLD = ("environment", CREDENTIAL, "default")
"""Sources that are no file of ours: whoever starts Jarvis says what is in them."""
NUMBER = re.compile(r"-?\d{1,19}", re.ASCII)
IN_HOME = re.compile(r"\$(?:JARVIS_HOME\b|\{JARVIS_HOME\})")
Parser = Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class Spec:
    """How one setting is read, shown and explained."""

    parse: Parser
    default: str
    help: str
    is_secret: bool = False
    is_list: bool = False
    is_place: bool = False


def _setting(parse: Parser, default: str, help: str, **kind: bool) -> Any:
    return dataclasses.field(metadata={"spec": Spec(parse, default, help, **kind)})


def _number(default: int, help: str, low: int = 0, high: int = 2**31 - 1) -> Any:
    def parse(text: str) -> int:
        if not NUMBER.fullmatch(text.strip()) or not low <= int(text) <= high:
            raise ValueError(f"is not a whole number from {low} to {high}")
        return int(text)

    return _setting(parse, str(default), help)


def _flag(default: bool, help: str) -> Any:
    words = {"1": True, "true": True, "yes": True, "on": True, "": False}
    words |= {"0": False, "false": False, "no": False, "off": False}

    def parse(text: str) -> bool:
        if text.strip().lower() not in words:
            raise ValueError("is neither 1 nor 0")
        return words[text.strip().lower()]

    return _setting(parse, str(int(default)), help)


def _text(default: str, help: str) -> Any:
    return _setting(str.strip, default, help)


def _secret(help: str) -> Any:
    return _setting(str.strip, "", help, is_secret=True)


def _choice(default: str, options: Sequence[str], help: str) -> Any:
    def parse(text: str) -> str:
        folded = {option.lower(): option for option in options}
        if text.strip().lower() not in folded:
            raise ValueError(f"is not one of {', '.join(options)}")
        return folded[text.strip().lower()]

    return _setting(parse, default, f"{help} One of: {', '.join(options)}.")


def _words(default: str, help: str) -> Any:
    def parse(text: str) -> tuple[str, ...]:
        return tuple(word for part in text.replace("\\n", ",").splitlines() for word in _split(part))

    return _setting(parse, default, help, is_list=True)


def _split(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _lines(default: str, help: str) -> Any:
    def parse(text: str) -> tuple[str, ...]:
        return tuple(line.strip() for line in text.replace("\\n", "\n").splitlines() if line.strip())

    return _setting(parse, default, help, is_list=True)


def _place(default: str, help: str) -> Any:
    return _setting(Path, default, help, is_place=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting, parsed. Field names are the setting's name in lower case."""

    # Where and how it runs
    jarvis_home: Path = _place("", "Directory for the database and everything else kept.")
    app_env: str = _choice("dev", ("dev", "prod"), "prod refuses to start on an unsafe configuration.")
    app_db: Path = _place("$JARVIS_HOME/jarvis.db", "The database file.")
    log_level: str = _choice("INFO", ("DEBUG", "INFO", "WARNING", "ERROR"), "Least severe line logged.")
    log_format: str = _choice("text", ("text", "json"), "Shape of log lines on standard error.")
    bind_host: str = _text("127.0.0.1", "Address the server listens on.")
    bind_port: int = _number(8000, "TCP port the server listens on; 0 takes any free one.", high=65535)
    bind_insecure: bool = _flag(False, "Allow a non-loopback address without TLS in front (prod).")
    allowed_hosts: tuple[str, ...] = _words("", "Host names answered to; empty: loopback and BIND_HOST.")
    trusted_proxy: str = _text("", "Address of the reverse proxy whose forwarding headers are believed.")
    web_cors_origins: tuple[str, ...] = _words("", "Exact origins whose pages may call the API by Bearer.")
    workspace: Path = _place("", "Directory the assistant looks after; empty: where it was started.")
    jarvis_cache_dir: str = _text("", "Private directory for native libraries when memory files fail.")

    # Signing in
    web_auth_token_ttl_hours: int = _number(720, "Hours a session lasts.", low=1, high=87600)
    web_auth_setup_password: str = _secret("Creates the user admin with this password at first start.")
    rate_limit_logins_per_minute: int = _number(10, "Failed sign-ins allowed per client and name.", low=1)
    rate_limit_messages_per_minute: int = _number(30, "Messages one user may post.", low=1)
    rate_limit_webhooks_per_minute: int = _number(60, "Badly signed webhooks allowed per client.", low=1)

    # Maintenance and schedules
    maintenance_enabled: bool = _flag(False, "Run maintenance while the server runs.")
    maintenance_interval_seconds: int = _number(0, "Seconds between maintenance runs; 0: none.")
    maintenance_heartbeat_interval_seconds: int = _number(300, "Seconds between heartbeat events.", low=1)
    maintenance_commands: tuple[str, ...] = _lines("", "Shell commands, one per line.")
    maintenance_timeout_seconds: int = _number(1800, "A command is killed after this.", low=1)
    maintenance_create_bugs: bool = _flag(True, "File a bug when a maintenance command fails.")
    maintenance_workdir: str = _text("", "Where maintenance commands run; empty: WORKSPACE.")
    scheduler_max_catchup: int = _number(10, "Missed instants made up for at most, per schedule.")
    scheduler_tick_seconds: int = _number(1, "Seconds between scheduler ticks.", low=1, high=3600)
    scheduler_grace_seconds: int = _number(3600, "How late an instant may still be dispatched.")
    readiness_interval_seconds: int = _number(10, "Seconds between readiness evaluations.", low=1)

    # GitHub
    github_token: str = _secret("Token for the GitHub API.")
    github_webhook_secret: str = _secret("Webhook secret; old and new, comma-separated, while rotating.")
    github_api_base_url: str = _text("https://api.github.com", "Base of the GitHub API.")
    github_repo_allowlist: tuple[str, ...] = _words("", "Repositories (globs) whose webhooks count.")
    github_bot_login: str = _text("jarvis", "Login the bot is addressed by.")
    github_pr_summary_enabled: bool = _flag(False, "Summarise pull requests in one comment.")
    github_pr_base_branches: tuple[str, ...] = _words("", "Base branches summarised; empty: any.")
    github_issue_sync_enabled: bool = _flag(False, "Keep bugs and GitHub issues in step.")
    github_issue_sync_repo: str = _text("", "owner/repo for synced issues.")
    github_issue_labels_bug: tuple[str, ...] = _words("jarvis,bug", "Labels on issues for bugs.")
    github_issue_labels_feature: tuple[str, ...] = _words(
        "jarvis,feature-request", "Labels on issues for feature requests."
    )

    # Lockdown and restart
    lockdown_readyz_fail_threshold: int = _number(3, "Failed readiness evaluations in a row.", low=1)
    lockdown_rollback_threshold: int = _number(2, "Rollbacks within the window.", low=1)
    lockdown_rollback_window_minutes: int = _number(30, "Window for rollbacks.", low=1)
    lockdown_exec_host_fail_threshold: int = _number(5, "Failed host.exec runs within the window.", low=1)
    lockdown_exec_host_fail_window_minutes: int = _number(10, "Window for host.exec failures.", low=1)
    admin_unlock_code_path: Path = _place("$JARVIS_HOME/unlock_code", "Where the unlock code is written.")
    admin_unlock_code_ttl_minutes: int = _number(10, "Minutes an unlock code is good for.", low=1)
    restart_drain_timeout_seconds: int = _number(20, "Seconds running work gets before a restart.")
    restart_command: str = _text("", "Command that restarts; empty: the supervisor does.")

    # Self-update
    selfupdate_patch_dir: Path = _place("$JARVIS_HOME/patches", "Where proposals and reports are kept.")
    selfupdate_repo: str = _text("", "Repository patches apply to; empty: the archive's own source.")
    selfupdate_readyz_attempts: int = _number(3, "Readiness tries before an update is taken back.", low=1)
    selfupdate_readyz_timeout_seconds: int = _number(30, "Seconds a trial has to become ready.", low=1)

    # Backups
    backup_local_dir: Path = _place("$JARVIS_HOME/backups", "Where backups are kept.")
    backup_interval_seconds: int = _number(900, "Seconds between backups; 0: none.")
    backup_retention_hourly: int = _number(24, "Hourly backups kept.")
    backup_retention_daily: int = _number(14, "Daily backups kept.")
    backup_retention_weekly: int = _number(8, "Weekly backups kept.")
    backup_s3_endpoint: str = _text("", "S3-compatible endpoint for uploads.")
    backup_s3_bucket: str = _text("", "Bucket for uploads.")
    backup_s3_region: str = _text("", "Region for signing uploads.")
    backup_s3_access_key_id: str = _secret("Access key for uploads.")
    backup_s3_secret_access_key: str = _secret("Secret key for uploads.")
    backup_encrypt_command: str = _text("", "Filter that encrypts a backup before upload, such as age.")
    backup_upload_plain: bool = _flag(False, "Allow uploads that are not encrypted.")

    # The assistant
    primary_provider: str = _choice("builtin", ("builtin", "openai", "gemini"), "Who answers first.")
    fallback_provider: str = _choice("builtin", ("builtin", "openai", "gemini"), "Who answers otherwise.")
    openai_base_url: str = _text("", "Base URL of an OpenAI-compatible server.")
    openai_api_key: str = _secret("Key for the OpenAI-compatible server.")
    openai_model: str = _text("", "Model name at the OpenAI-compatible server.")
    gemini_base_url: str = _text(
        "https://generativelanguage.googleapis.com/v1beta/openai", "Base URL of Gemini's OpenAI-compatible API."
    )
    gemini_model: str = _text("", "Gemini model name.")
    gemini_api_key: str = _secret("Gemini API key.")
    google_oauth_client_id: str = _text("", "OAuth client for Gemini.")
    google_oauth_client_secret: str = _secret("OAuth client secret for Gemini.")
    google_oauth_refresh_token: str = _secret("OAuth refresh token for Gemini.")
    google_oauth_token_url: str = _text("https://oauth2.googleapis.com/token", "OAuth token endpoint.")
    provider_timeout_seconds: int = _number(120, "Seconds a provider may take.", low=1)
    provider_daily_token_budget: int = _number(0, "Tokens a day; 0: no limit.")
    provider_cents_per_million_input: int = _number(0, "Price of a million tokens sent, in cents; 0: unknown.")
    provider_cents_per_million_output: int = _number(0, "Price of a million tokens received, in cents; 0: unknown.")
    web_fetch_allowed_hosts: tuple[str, ...] = _words("", "Hosts the assistant may read; empty: none.")
    exec_host_timeout_max_seconds: int = _number(600, "Longest a host.exec command may run.", low=1)
    exec_host_allowed_cwd_prefixes: tuple[str, ...] = _words("", "Directories host.exec may run in.")
    exec_host_env_allowlist: tuple[str, ...] = _words("", "Environment names host.exec passes on.")
    exec_host_max_output_bytes: int = _number(1_000_000, "Output kept of a host.exec command.", low=1)
    exec_host_max_memory_mb: int = _number(1024, "Memory a host.exec command may use.", low=16)
    exec_host_sandbox: str = _choice("auto", ("auto", "bwrap", "landlock", "none"), "host.exec sandbox.")

    sources: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Setting name → "default", "environment", "credential" or the path of the file it came from."""
    warnings: tuple[str, ...] = ()
    """What was odd about the files, for the log and for doctor."""
    files: tuple[Path, ...] = ()
    """The settings files that were read."""

    def secrets(self) -> list[str]:
        """Every configured secret value, for redaction."""
        found = []
        for name, spec in specs().items():
            if spec.is_secret:
                value = str(getattr(self, name.lower()))
                found += [value, *_split(value)] if value else []
        return found


def specs() -> dict[str, Spec]:
    """Every setting by its outside name, in the order of the table."""
    return {
        field.name.upper(): field.metadata["spec"] for field in dataclasses.fields(Settings) if "spec" in field.metadata
    }


def nearest(name: str) -> str:
    """The setting that a name that is none nearly is, or ""."""
    return next(iter(difflib.get_close_matches(name.upper(), specs(), n=1, cutoff=0.8)), "")


def load(environ: Mapping[str, str], beside: Path | None, cwd: Path) -> Settings:
    """Read the settings: environment, credentials of the service manager, `beside`/.env, $JARVIS_HOME/.env.

    `beside` is the directory of the archive or the root of the checkout; `cwd` is only what
    WORKSPACE and relative paths in the environment start from. `NAME=` empties a list and
    leaves anything else at its default. Raises Misconfigured naming every value that does not parse.
    """
    reading = _Reading(specs(), cwd)
    reading.take(environ, "environment")
    reading.take_credentials(environ.get(envfile.CREDENTIALS, ""))
    if beside is not None:
        reading.take_file(beside / ".env")
    home = _home(environ, reading)
    if beside is None or home != beside:
        reading.take_file(home / ".env", without="JARVIS_HOME")
    values, problems = _parse(reading, home)
    if problems:
        raise Misconfigured("\n".join(problems))
    return Settings(**values, warnings=tuple(reading.warnings), files=tuple(reading.files))


class _Reading:
    """What has been found so far: the first source that names a setting wins."""

    def __init__(self, known: Mapping[str, Spec], cwd: Path) -> None:
        self.known = known
        self.cwd = cwd
        self.found: dict[str, tuple[str, str]] = {}
        self.warnings: list[str] = []
        self.files: list[Path] = []

    def take(self, values: Mapping[str, str], source: str) -> None:
        for name in self.known:
            if name in values:
                self.found.setdefault(name, (values[name], source))

    def take_credentials(self, folder: str) -> None:
        """Secrets, and nothing else, from the directory systemd's LoadCredential= gives a service."""
        if Path(folder).is_absolute():
            wanted = [name for name, spec in self.known.items() if spec.is_secret]
            self.take(envfile.credentials(Path(folder), wanted, self.warnings), CREDENTIAL)

    def take_file(self, path: Path, without: str = "") -> None:
        text = read_trusted(path, self.warnings)
        if text is None:
            return
        self.files.append(path)
        values = envfile.parse(path, text, self.warnings)
        for name in values:
            self._check_known(path, name)
        if without in values:
            del values[without]
            self.warnings.append(f"{path}: {without} is ignored here: this file was found through it.")
        self.take(values, str(path))

    def _check_known(self, path: Path, name: str) -> None:
        if name not in self.known:
            near = nearest(name)
            if near:
                self.warnings.append(f"{path}: unknown setting {name[:80]}; did you mean {near}?")

    def base(self, source: str) -> Path:
        """Where a relative path starts: at the file that says it, never where a command happens to run."""
        return self.cwd if source in TOLD else Path(source).parent


def _home(environ: Mapping[str, str], reading: _Reading) -> Path:
    text, source = reading.found.get("JARVIS_HOME", ("", "default"))
    try:
        if text.strip():
            return _absolute(text, reading.base(source))
        data = environ.get("XDG_DATA_HOME", "")
        if Path(data).is_absolute():
            return Path(data) / "jarvis"
        return _absolute(environ.get("HOME") or "~", Path("/")) / ".local/share/jarvis"
    except ValueError as error:
        raise Misconfigured(f"JARVIS_HOME (from {source}): {text[:80]!r} {error}.") from None


def _absolute(text: str, base: Path) -> Path:
    if "\x00" in text:
        raise ValueError("contains a NUL character")
    try:
        return base.absolute() / Path(text.strip()).expanduser()
    except RuntimeError:
        raise ValueError("starts at a home directory that is not known; name the whole path") from None


def _parse(reading: _Reading, home: Path) -> tuple[dict[str, Any], list[str]]:
    sources: dict[str, str] = {}
    values: dict[str, Any] = {"sources": sources}
    problems = []
    computed = {"JARVIS_HOME": str(home), "WORKSPACE": str(reading.cwd)}
    for name, spec in reading.known.items():
        default = computed.get(name, spec.default)
        text, source = reading.found.get(name, (default, "default"))
        if default and not text.strip() and not spec.is_list:
            text, source = default, "default"
        sources[name] = source
        if not spec.is_secret:
            text = IN_HOME.sub(lambda _: str(home), text)
        try:
            if spec.is_place:
                text = str(home if name == "JARVIS_HOME" else _absolute(text, reading.base(source)))
            values[name.lower()] = spec.parse(text)
        except ValueError as error:
            shown = "its value" if spec.is_secret else repr(Redactor().text(text)[:80])
            problems.append(f"{name} (from {source}): {shown} {error}.")
    return values, problems


def may_send(settings: Settings, secret_name: str, url_name: str) -> bool:
    """Whether a secret may be sent to a URL: only when the URL's source is trusted no less.

    Environment and credentials (and built-in defaults) > $JARVIS_HOME/.env > .env beside the archive.
    """
    if not getattr(settings, secret_name.lower()):
        return True  # there is nothing to give away
    return _trust(settings, url_name) >= _trust(settings, secret_name)


def missing_settings(settings: Settings, provider: str) -> list[str]:
    """The settings without which a model provider cannot be asked."""
    if provider == "openai":
        return [name for name in ("OPENAI_BASE_URL", "OPENAI_MODEL") if not getattr(settings, name.lower())]
    if provider != "gemini":
        return []
    wanted = [] if settings.gemini_model else ["GEMINI_MODEL"]
    if settings.gemini_api_key:
        return wanted
    oauth = ("GOOGLE_OAUTH_CLIENT_ID", "GOOGLE_OAUTH_CLIENT_SECRET", "GOOGLE_OAUTH_REFRESH_TOKEN")
    lacking = [name for name in oauth if not getattr(settings, name.lower())]
    if len(lacking) == len(oauth):
        return [*wanted, "GEMINI_API_KEY (or GOOGLE_OAUTH_REFRESH_TOKEN with its client)"]
    return wanted + lacking


def _trust(settings: Settings, name: str) -> int:
    source = settings.sources.get(name, "default")
    if source in TOLD:
        return 3
    return 2 if source == str(settings.jarvis_home / ".env") else 1


def unsafe_for_production(settings: Settings) -> list[str]:
    """Why APP_ENV=prod must refuse to start; empty when it may."""
    reasons = []
    if not _is_loopback(settings.bind_host) and not settings.trusted_proxy and not settings.bind_insecure:
        reasons.append(
            f"BIND_HOST={settings.bind_host} is reachable from elsewhere without TLS: "
            "set TRUSTED_PROXY, or BIND_INSECURE=1 if that is meant."
        )
    for path in dict.fromkeys((settings.app_db, settings.jarvis_home / ".env", *settings.files)):
        if _is_world_readable(path):
            reasons.append(f"{path} can be read by everybody: chmod 600 {path}")
    for name in ("GITHUB_PR_SUMMARY_ENABLED", "GITHUB_ISSUE_SYNC_ENABLED"):
        if getattr(settings, name.lower()) and not (settings.github_token and settings.github_webhook_secret):
            reasons.append(f"{name}=1 needs GITHUB_TOKEN and GITHUB_WEBHOOK_SECRET.")
    for name in ("PRIMARY_PROVIDER", "FALLBACK_PROVIDER"):
        provider = getattr(settings, name.lower())
        if wanted := missing_settings(settings, provider):
            reasons.append(f"{name}={provider} needs {' and '.join(wanted)}.")
    return reasons


def _is_loopback(host: str) -> bool:
    import ipaddress  # only in production

    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _is_world_readable(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False
