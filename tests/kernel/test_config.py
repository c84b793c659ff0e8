"""Settings: every one of the contract, its default, its sources, and what a bad value says."""

import dataclasses
from pathlib import Path

import pytest

from jarvis.kernel import config
from jarvis.kernel.config import Settings
from jarvis.kernel.errors import Misconfigured

# The contract's list, written down once more by hand: name → default, as text.
CONTRACT = """
JARVIS_HOME=/h/.local/share/jarvis
APP_ENV=dev
APP_DB=/h/.local/share/jarvis/jarvis.db
LOG_LEVEL=INFO
LOG_FORMAT=text
BIND_HOST=127.0.0.1
BIND_PORT=8000
BIND_INSECURE=False
ALLOWED_HOSTS=
TRUSTED_PROXY=
WEB_CORS_ORIGINS=
WEB_AUTH_TOKEN_TTL_HOURS=720
WEB_AUTH_SETUP_PASSWORD=
RATE_LIMIT_LOGINS_PER_MINUTE=10
RATE_LIMIT_MESSAGES_PER_MINUTE=30
RATE_LIMIT_WEBHOOKS_PER_MINUTE=60
WORKSPACE=/w
JARVIS_CACHE_DIR=
MAINTENANCE_ENABLED=False
MAINTENANCE_INTERVAL_SECONDS=0
MAINTENANCE_HEARTBEAT_INTERVAL_SECONDS=300
MAINTENANCE_COMMANDS=
MAINTENANCE_TIMEOUT_SECONDS=1800
MAINTENANCE_CREATE_BUGS=True
MAINTENANCE_WORKDIR=
SCHEDULER_MAX_CATCHUP=10
SCHEDULER_TICK_SECONDS=1
SCHEDULER_GRACE_SECONDS=3600
READINESS_INTERVAL_SECONDS=10
GITHUB_TOKEN=
GITHUB_WEBHOOK_SECRET=
GITHUB_API_BASE_URL=https://api.github.com
GITHUB_REPO_ALLOWLIST=
GITHUB_BOT_LOGIN=jarvis
GITHUB_PR_SUMMARY_ENABLED=False
GITHUB_PR_BASE_BRANCHES=
GITHUB_ISSUE_SYNC_ENABLED=False
GITHUB_ISSUE_SYNC_REPO=
GITHUB_ISSUE_LABELS_BUG=jarvis,bug
GITHUB_ISSUE_LABELS_FEATURE=jarvis,feature-request
LOCKDOWN_READYZ_FAIL_THRESHOLD=3
LOCKDOWN_ROLLBACK_THRESHOLD=2
LOCKDOWN_ROLLBACK_WINDOW_MINUTES=30
LOCKDOWN_EXEC_HOST_FAIL_THRESHOLD=5
LOCKDOWN_EXEC_HOST_FAIL_WINDOW_MINUTES=10
ADMIN_UNLOCK_CODE_PATH=/h/.local/share/jarvis/unlock_code
ADMIN_UNLOCK_CODE_TTL_MINUTES=10
RESTART_DRAIN_TIMEOUT_SECONDS=20
RESTART_COMMAND=
SELFUPDATE_PATCH_DIR=/h/.local/share/jarvis/patches
SELFUPDATE_REPO=
SELFUPDATE_READYZ_ATTEMPTS=3
SELFUPDATE_READYZ_TIMEOUT_SECONDS=30
BACKUP_LOCAL_DIR=/h/.local/share/jarvis/backups
BACKUP_INTERVAL_SECONDS=900
BACKUP_RETENTION_HOURLY=24
BACKUP_RETENTION_DAILY=14
BACKUP_RETENTION_WEEKLY=8
BACKUP_S3_ENDPOINT=
BACKUP_S3_BUCKET=
BACKUP_S3_REGION=
BACKUP_S3_ACCESS_KEY_ID=
BACKUP_S3_SECRET_ACCESS_KEY=
BACKUP_ENCRYPT_COMMAND=
BACKUP_UPLOAD_PLAIN=False
PRIMARY_PROVIDER=builtin
FALLBACK_PROVIDER=builtin
OPENAI_BASE_URL=
OPENAI_API_KEY=
OPENAI_MODEL=
GEMINI_MODEL=
GEMINI_API_KEY=
GOOGLE_OAUTH_CLIENT_ID=
GOOGLE_OAUTH_CLIENT_SECRET=
GOOGLE_OAUTH_REFRESH_TOKEN=
GOOGLE_OAUTH_TOKEN_URL=https://oauth2.googleapis.com/token
PROVIDER_TIMEOUT_SECONDS=120
PROVIDER_DAILY_TOKEN_BUDGET=0
WEB_FETCH_ALLOWED_HOSTS=
EXEC_HOST_TIMEOUT_MAX_SECONDS=600
EXEC_HOST_ALLOWED_CWD_PREFIXES=
EXEC_HOST_ENV_ALLOWLIST=
EXEC_HOST_MAX_OUTPUT_BYTES=1000000
EXEC_HOST_MAX_MEMORY_MB=1024
EXEC_HOST_SANDBOX=auto
"""
ADDED = {
    "GEMINI_BASE_URL": "https://generativelanguage.googleapis.com/v1beta/openai",
    "PROVIDER_CENTS_PER_MILLION_INPUT": "0",
    "PROVIDER_CENTS_PER_MILLION_OUTPUT": "0",
}
EXPECTED = dict(line.split("=", 1) for line in CONTRACT.split()) | ADDED
SECRET = {
    "WEB_AUTH_SETUP_PASSWORD",
    "GITHUB_TOKEN",
    "GITHUB_WEBHOOK_SECRET",
    "BACKUP_S3_ACCESS_KEY_ID",
    "BACKUP_S3_SECRET_ACCESS_KEY",
    "OPENAI_API_KEY",
    "GEMINI_API_KEY",
    "GOOGLE_OAUTH_CLIENT_SECRET",
    "GOOGLE_OAUTH_REFRESH_TOKEN",
}


def load(environ: dict[str, str] | None = None, beside: Path | None = None, home: Path | None = None) -> Settings:
    start = {"JARVIS_HOME": str(home)} if home else {}
    return config.load({"HOME": "/h", **start, **(environ or {})}, beside, Path("/w"))


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o600)
    return path


def as_text(value: object) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)


class TestTheTable:
    def test_it_is_the_contracts_with_the_contracts_defaults(self) -> None:
        settings = load()
        assert {name: as_text(getattr(settings, name.lower())) for name in config.specs()} == EXPECTED
        assert set(settings.sources.values()) == {"default"}

    def test_each_has_a_meaning_and_secrets_are_marked(self) -> None:
        specs = config.specs()
        assert all(len(spec.help) > 10 and spec.help.endswith(".") for spec in specs.values())
        assert {name for name, spec in specs.items() if spec.is_secret} == SECRET

    def test_each_is_a_field_that_cannot_be_changed(self) -> None:
        with pytest.raises(dataclasses.FrozenInstanceError):
            load().bind_port = 1  # type: ignore[misc]

    def test_secret_values_are_listed_for_redaction_each_of_a_pair_too(self) -> None:
        settings = load({"GITHUB_WEBHOOK_SECRET": "old-one, new-one", "OPENAI_API_KEY": "key"})
        assert set(settings.secrets()) == {"old-one, new-one", "old-one", "new-one", "key"}


class TestPrecedence:
    def test_environment_then_beside_then_home(self, tmp_path: Path) -> None:
        beside, home = tmp_path / "beside", tmp_path / "home"
        write(beside / ".env", "BIND_PORT=2\nLOG_LEVEL=DEBUG\n")
        write(home / ".env", "BIND_PORT=3\nLOG_LEVEL=ERROR\nOPENAI_MODEL=m\n")
        settings = load({"BIND_PORT": "1"}, beside, home)
        assert (settings.bind_port, settings.log_level, settings.openai_model) == (1, "DEBUG", "m")
        assert settings.sources["BIND_PORT"] == "environment"
        assert settings.sources["LOG_LEVEL"] == str(beside / ".env")
        assert settings.sources["OPENAI_MODEL"] == str(home / ".env")
        assert settings.files == (beside / ".env", home / ".env")

    def test_the_file_beside_may_say_where_home_is(self, tmp_path: Path) -> None:
        write(tmp_path / "beside" / ".env", f"JARVIS_HOME={tmp_path}/home\n")
        write(tmp_path / "home" / ".env", "BIND_PORT=3\n")
        settings = load({}, tmp_path / "beside")
        assert (settings.jarvis_home, settings.bind_port) == (tmp_path / "home", 3)

    def test_the_file_at_home_may_not_move_home(self, tmp_path: Path) -> None:
        write(tmp_path / "home" / ".env", "JARVIS_HOME=/elsewhere\n")
        settings = load(home=tmp_path / "home")
        assert settings.jarvis_home == tmp_path / "home"
        assert settings.app_db == tmp_path / "home" / "jarvis.db"
        assert settings.sources["JARVIS_HOME"] == "environment"
        assert "JARVIS_HOME is ignored here" in settings.warnings[0]

    def test_one_file_that_is_both_is_read_once(self, tmp_path: Path) -> None:
        write(tmp_path / ".env", "BIND_PROT=3\n")
        assert len(load(beside=tmp_path, home=tmp_path).warnings) == 1

    def test_home_follows_xdg_when_that_is_absolute(self) -> None:
        assert load({"XDG_DATA_HOME": "/data"}).jarvis_home == Path("/data/jarvis")
        assert load({"XDG_DATA_HOME": "data"}).jarvis_home == Path("/h/.local/share/jarvis")

    def test_no_home_at_all_says_which_setting_to_set(self) -> None:
        with pytest.raises(Misconfigured, match="JARVIS_HOME"):
            config.load({"HOME": "~nobody-of-that-name"}, None, Path("/w"))


class TestValues:
    def test_lists_take_commas_lines_and_a_literal_backslash_n(self) -> None:
        for text in ("a, b,c", "a\nb\n c ", r"a\nb\nc", r"a,b\nc,"):
            assert load({"ALLOWED_HOSTS": text}).allowed_hosts == ("a", "b", "c")

    def test_lines_keep_their_commas(self) -> None:
        for text in ("echo a, b\ndf -h\n", r"echo a, b\ndf -h"):
            assert load({"MAINTENANCE_COMMANDS": text}).maintenance_commands == ("echo a, b", "df -h")

    def test_the_same_lists_in_a_file(self, tmp_path: Path) -> None:
        write(tmp_path / ".env", 'MAINTENANCE_COMMANDS=uptime\\ndf -h\nWEB_CORS_ORIGINS="https://a\\nhttps://b"\n')
        settings = load(home=tmp_path)
        assert settings.maintenance_commands == ("uptime", "df -h")
        assert settings.web_cors_origins == ("https://a", "https://b")

    def test_a_name_without_a_value_empties_lists_and_leaves_the_rest_at_their_defaults(self) -> None:
        settings = load(
            {"GITHUB_ISSUE_LABELS_BUG": "", "BIND_PORT": "", "MAINTENANCE_CREATE_BUGS": " ", "GITHUB_BOT_LOGIN": ""}
        )
        assert settings.github_issue_labels_bug == ()
        assert (settings.bind_port, settings.maintenance_create_bugs, settings.github_bot_login) == (
            8000,
            True,
            "jarvis",
        )
        assert settings.sources["BIND_PORT"] == "default"

    def test_a_name_without_a_value_switches_off_what_a_file_says(self, tmp_path: Path) -> None:
        write(tmp_path / ".env", "OPENAI_API_KEY=key\n")
        settings = load({"OPENAI_API_KEY": ""}, home=tmp_path)
        assert (settings.openai_api_key, settings.sources["OPENAI_API_KEY"]) == ("", "environment")

    @pytest.mark.parametrize("text", ["1", "true", "YES", " on "])
    def test_yes_has_several_spellings(self, text: str) -> None:
        assert load({"BIND_INSECURE": text}).bind_insecure is True

    @pytest.mark.parametrize("text", ["0", "False", "no", "OFF"])
    def test_so_has_no(self, text: str) -> None:
        assert load({"MAINTENANCE_CREATE_BUGS": text}).maintenance_create_bugs is False

    def test_choices_do_not_mind_their_case(self) -> None:
        assert load({"LOG_LEVEL": "debug", "APP_ENV": "PROD"}).log_level == "DEBUG"

    def test_home_is_put_in_where_it_is_named_but_never_into_secrets(self) -> None:
        settings = load(
            {
                "JARVIS_HOME": "/j",
                "BACKUP_LOCAL_DIR": "$JARVIS_HOME/b",
                "SELFUPDATE_PATCH_DIR": "${JARVIS_HOME}/p",
                "ADMIN_UNLOCK_CODE_PATH": "/c/$JARVIS_HOMES",
                "OPENAI_API_KEY": "a$JARVIS_HOME",
            }
        )
        assert (settings.backup_local_dir, settings.selfupdate_patch_dir) == (Path("/j/b"), Path("/j/p"))
        assert settings.admin_unlock_code_path == Path("/c/$JARVIS_HOMES")
        assert settings.openai_api_key == "a$JARVIS_HOME"

    def test_a_relative_path_starts_at_the_file_that_says_it(self, tmp_path: Path) -> None:
        write(tmp_path / "beside" / ".env", "JARVIS_HOME=data\nWORKSPACE=src\n")
        settings = load({"APP_DB": "x.db"}, tmp_path / "beside")
        assert settings.jarvis_home == tmp_path / "beside" / "data"
        assert settings.workspace == tmp_path / "beside" / "src"
        assert settings.app_db == Path("/w/x.db")

    def test_nothing_in_a_file_is_expanded_or_executed(self, tmp_path: Path) -> None:
        write(tmp_path / ".env", "OPENAI_MODEL=${HOME}$(id)`id`\n")
        assert load(home=tmp_path).openai_model == "${HOME}$(id)`id`"


class TestBadValues:
    def test_all_are_named_at_once_with_their_sources(self, tmp_path: Path) -> None:
        write(tmp_path / ".env", "LOG_LEVEL=LOUD\n")
        with pytest.raises(Misconfigured) as caught:
            load({"BIND_PORT": "70000", "BIND_INSECURE": "maybe"}, home=tmp_path)
        assert str(caught.value).splitlines() == [
            f"LOG_LEVEL (from {tmp_path}/.env): 'LOUD' is not one of DEBUG, INFO, WARNING, ERROR.",
            "BIND_PORT (from environment): '70000' is not a whole number from 0 to 65535.",
            "BIND_INSECURE (from environment): 'maybe' is neither 1 nor 0.",
        ]
        assert caught.value.exit_code == 78

    @pytest.mark.parametrize("text", ["x", "--5", "-1", "1.5", "1e3", "9" * 5000, "١", "1_000"])
    def test_what_is_no_number_says_what_would_be(self, text: str) -> None:
        with pytest.raises(Misconfigured, match=r"BIND_PORT .* is not a whole number from 0 to 65535"):
            load({"BIND_PORT": text})

    def test_a_key_pasted_into_the_wrong_setting_is_not_echoed(self) -> None:
        pasted = "ghp_" + "a1B2" * 9
        with pytest.raises(Misconfigured) as caught:
            load({"BIND_PORT": pasted})
        assert pasted not in str(caught.value)

    @pytest.mark.parametrize("text", ["~nobody-of-that-name/x", "/a\x00b"])
    def test_a_path_that_cannot_be_one_is_named(self, text: str) -> None:
        with pytest.raises(Misconfigured, match="APP_DB"):
            load({"APP_DB": text})


class TestUnknownNames:
    def test_one_that_resembles_ours_is_a_warning_with_the_nearest(self, tmp_path: Path) -> None:
        file = write(tmp_path / ".env", "BIND_PROT=1\nbind_host=x\nPATH=/bin\nDJANGO_SECRET=1\n")
        assert load(home=tmp_path).warnings == (
            f"{file}: unknown setting BIND_PROT; did you mean BIND_PORT?",
            f"{file}: unknown setting bind_host; did you mean BIND_HOST?",
        )

    def test_a_line_that_is_no_setting_is_a_warning_that_does_not_quote_it(self, tmp_path: Path) -> None:
        file = write(tmp_path / ".env", "BIND_PORT=1\nthis is = no 'setting\nLOG_LEVEL=DEBUG\n")
        settings = load(home=tmp_path)
        assert settings.warnings == (f"{file}: line 2 is not NAME=value and is ignored.",)
        assert (settings.bind_port, settings.log_level) == (1, "DEBUG")
