"""Whom settings are believed from, written as attacks."""

import os
from pathlib import Path

import pytest

from jarvis.kernel import config, envfile
from jarvis.kernel.config import Settings


def load(environ: dict[str, str], beside: Path | None = None, cwd: Path = Path("/w")) -> Settings:
    return config.load({"HOME": "/h", **environ}, beside, cwd)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir(mode=0o700)
    return tmp_path / "home"


def write(path: Path, text: str | bytes = "BIND_PORT=666\n", mode: int = 0o600) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)
    return path


def refusal(home: Path) -> str:
    """Load with this home: its file must change nothing, and there must be one warning."""
    settings = load({"JARVIS_HOME": str(home)})
    assert settings.bind_port == 8000
    assert settings.files == ()
    (warning,) = settings.warnings
    assert str(home / ".env") in warning
    return warning


def test_a_hostile_repositorys_env_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = tmp_path / "cloned"
    repository.mkdir()
    write(repository / ".env", "JARVIS_HOME=/evil\nOPENAI_BASE_URL=http://evil\nEXEC_HOST_SANDBOX=none\n")
    monkeypatch.chdir(repository)
    before = load({}, tmp_path, Path("/w"))
    inside = load({}, tmp_path, repository)
    assert inside.workspace == repository
    assert {n: v for n, v in inside.sources.items() if v != "default"} == {}
    assert (inside.jarvis_home, inside.openai_base_url, inside.exec_host_sandbox) == (
        before.jarvis_home,
        before.openai_base_url,
        before.exec_host_sandbox,
    )


def test_a_relative_home_in_a_file_does_not_lead_into_a_hostile_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside, repository = tmp_path / "beside", tmp_path / "cloned"
    beside.mkdir()
    (repository / "data").mkdir(parents=True)
    write(beside / ".env", "JARVIS_HOME=data\n")
    write(repository / "data" / ".env")
    monkeypatch.chdir(repository)
    settings = load({}, beside, repository)
    assert (settings.jarvis_home, settings.bind_port) == (beside / "data", 8000)


@pytest.mark.parametrize("mode", [0o602, 0o620, 0o666, 0o777])
def test_a_file_others_may_write_is_ignored(home: Path, mode: int) -> None:
    write(home / ".env", mode=mode)
    assert "others may write" in refusal(home)


def test_a_file_of_somebody_else_is_ignored(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home / ".env")
    if os.geteuid() == 0:
        os.chown(home / ".env", 12345, 12345)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert "owned by you or by root" in refusal(home)


def test_a_link_is_ignored_wherever_it_points(home: Path, tmp_path: Path) -> None:
    """In a directory others may write to, a link could point at a cloned file of our own."""
    (home / ".env").symlink_to(write(tmp_path / "mine"))
    assert "symbolic link" in refusal(home)


def test_a_pipe_is_ignored_and_not_waited_for(home: Path) -> None:
    os.mkfifo(home / ".env", 0o600)
    assert "no regular file" in refusal(home)


def test_a_directory_is_ignored(home: Path) -> None:
    (home / ".env").mkdir()
    assert "no regular file" in refusal(home)


def test_a_huge_file_is_ignored_rather_than_half_read(home: Path) -> None:
    write(home / ".env", "BIND_PORT=666\n" + "#" * envfile.LARGEST_FILE)
    assert "larger than 1,000,000 bytes" in refusal(home)


@pytest.mark.parametrize("content", [b"BIND_PORT=666\n\xff\xfe", b"BIND_PORT=666\nA=\x00\n", bytes(range(256))])
def test_a_binary_file_is_ignored(home: Path, content: bytes) -> None:
    write(home / ".env", content)
    assert "UTF-8" in (warning := refusal(home)) or "NUL" in warning


def test_a_byte_order_mark_is_no_part_of_the_first_name(home: Path) -> None:
    write(home / ".env", b"\xef\xbb\xbfBIND_PORT=1\n")
    assert load({"JARVIS_HOME": str(home)}).bind_port == 1


def test_a_missing_file_is_nothing_to_speak_of(home: Path) -> None:
    assert load({"JARVIS_HOME": str(home)}).warnings == ()
    assert load({"JARVIS_HOME": "/dev/null/x"}).warnings == ()


class TestSendingSecrets:
    """Trust: environment and defaults > $JARVIS_HOME/.env > .env beside the archive."""

    @pytest.fixture
    def beside(self, tmp_path: Path) -> Path:
        (tmp_path / "beside").mkdir()
        return tmp_path / "beside"

    @pytest.mark.parametrize(
        ("key_from", "url_from", "expected"),
        [
            ("environment", "environment", True),
            ("environment", "home", False),
            ("environment", "beside", False),
            ("home", "environment", True),
            ("home", "home", True),
            ("home", "beside", False),
            ("beside", "environment", True),
            ("beside", "home", True),
            ("beside", "beside", True),
        ],
    )
    def test_only_to_a_url_from_a_source_trusted_no_less(
        self, home: Path, beside: Path, key_from: str, url_from: str, expected: bool
    ) -> None:
        said = {"environment": {"JARVIS_HOME": str(home)}, "home": {}, "beside": {}}
        said[key_from]["OPENAI_API_KEY"] = "key"
        said[url_from]["OPENAI_BASE_URL"] = "https://there"
        for name, directory in (("home", home), ("beside", beside)):
            write(directory / ".env", "".join(f"{k}={v}\n" for k, v in said[name].items()))
        settings = load(said["environment"], beside)
        assert config.may_send(settings, "OPENAI_API_KEY", "OPENAI_BASE_URL") is expected

    def test_a_built_in_url_may_have_any_key(self, home: Path) -> None:
        settings = load({"JARVIS_HOME": str(home), "GITHUB_TOKEN": "key"})
        assert config.may_send(settings, "GITHUB_TOKEN", "GITHUB_API_BASE_URL")

    def test_an_emptied_url_is_the_built_in_one(self, home: Path, beside: Path) -> None:
        write(beside / ".env", "GITHUB_API_BASE_URL=\n")
        settings = load({"JARVIS_HOME": str(home), "GITHUB_TOKEN": "key"}, beside)
        assert settings.github_api_base_url == "https://api.github.com"
        assert config.may_send(settings, "GITHUB_TOKEN", "GITHUB_API_BASE_URL")

    def test_a_file_beside_that_points_at_the_real_home_does_not_get_its_secrets(
        self, home: Path, beside: Path
    ) -> None:
        write(beside / ".env", f"JARVIS_HOME={home}\nOPENAI_BASE_URL=https://evil.example\n")
        write(home / ".env", "OPENAI_API_KEY=key\n")
        assert not config.may_send(load({}, beside), "OPENAI_API_KEY", "OPENAI_BASE_URL")

    def test_no_secret_may_go_anywhere(self, home: Path, beside: Path) -> None:
        write(beside / ".env", "OPENAI_BASE_URL=https://there\n")
        assert config.may_send(load({"JARVIS_HOME": str(home)}, beside), "OPENAI_API_KEY", "OPENAI_BASE_URL")


class TestProduction:
    def reasons(self, home: Path, **environ: str) -> list[str]:
        return config.unsafe_for_production(load({"JARVIS_HOME": str(home), "APP_ENV": "prod", **environ}))

    def test_the_defaults_are_safe(self, home: Path) -> None:
        assert self.reasons(home) == []

    @pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.53", "::1", "[::1]", "localhost"])
    def test_loopback_is_safe(self, home: Path, host: str) -> None:
        assert self.reasons(home, BIND_HOST=host) == []

    @pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", "127.evil.example"])
    def test_an_open_address_needs_a_proxy_or_a_word(self, home: Path, host: str) -> None:
        (reason,) = self.reasons(home, BIND_HOST=host)
        assert f"BIND_HOST={host}" in reason
        assert self.reasons(home, BIND_HOST=host, TRUSTED_PROXY="10.0.0.1") == []
        assert self.reasons(home, BIND_HOST=host, BIND_INSECURE="1") == []

    def test_a_readable_env_is_unsafe_even_when_nothing_in_it_counts(self, home: Path, tmp_path: Path) -> None:
        write(home / ".env", "BIND_PORT=1\n", 0o644)
        write(tmp_path / ".env", "BIND_PORT=1\n", 0o644)
        settings = load({"JARVIS_HOME": str(home), "BIND_PORT": "2"}, tmp_path)
        assert config.unsafe_for_production(settings) == [
            f"{home}/.env can be read by everybody: chmod 600 {home}/.env",
            f"{tmp_path}/.env can be read by everybody: chmod 600 {tmp_path}/.env",
        ]

    def test_a_readable_database_is_unsafe(self, home: Path) -> None:
        write(home / "jarvis.db", "", 0o604)
        assert "jarvis.db can be read by everybody" in self.reasons(home)[0]

    @pytest.mark.parametrize("name", ["PRIMARY_PROVIDER", "FALLBACK_PROVIDER"])
    def test_a_model_needs_its_settings(self, home: Path, name: str) -> None:
        assert self.reasons(home, **{name: "openai"}) == [f"{name}=openai needs OPENAI_BASE_URL and OPENAI_MODEL."]
        assert self.reasons(home, **{name: "openai"}, OPENAI_BASE_URL="http://[::1]:1/v1", OPENAI_MODEL="m") == []
        assert "GEMINI_API_KEY" in self.reasons(home, **{name: "gemini"}, GEMINI_MODEL="m")[0]
        assert self.reasons(home, **{name: "gemini"}, GEMINI_MODEL="m", GEMINI_API_KEY="k") == []

    @pytest.mark.parametrize("name", ["GITHUB_PR_SUMMARY_ENABLED", "GITHUB_ISSUE_SYNC_ENABLED"])
    def test_a_github_feature_needs_its_token_and_secret(self, home: Path, name: str) -> None:
        enabled = {name: "1"}
        assert name in self.reasons(home, **enabled)[0]
        assert name in self.reasons(home, **enabled, GITHUB_TOKEN="t")[0]
        assert self.reasons(home, **enabled, GITHUB_TOKEN="t", GITHUB_WEBHOOK_SECRET="s") == []

    def test_every_reason_is_told_at_once(self, home: Path) -> None:
        assert len(self.reasons(home, BIND_HOST="0.0.0.0", GITHUB_PR_SUMMARY_ENABLED="1")) == 2


def credentials(tmp_path: Path, **values: str) -> str:
    """A directory as systemd makes it for LoadCredential=."""
    folder = tmp_path / "credentials"
    folder.mkdir(mode=0o700)
    for name, value in values.items():
        write(folder / name, value, 0o400)
    return str(folder)


def test_a_secret_comes_from_the_service_managers_credentials(home: Path, tmp_path: Path) -> None:
    write(home / ".env", "GITHUB_TOKEN=from-the-file\nOPENAI_API_KEY=from-the-file\n")
    folder = credentials(tmp_path, GITHUB_TOKEN="alone\n", jarvis_OPENAI_API_KEY="of-a-directory")
    settings = load({"JARVIS_HOME": str(home), "CREDENTIALS_DIRECTORY": folder})
    assert settings.github_token == "alone"
    assert settings.openai_api_key == "of-a-directory"
    assert settings.sources["GITHUB_TOKEN"] == "credential"
    assert "alone" in settings.secrets(), "it is redacted as every other"


def test_the_environment_goes_before_a_credential(home: Path, tmp_path: Path) -> None:
    folder = credentials(tmp_path, GITHUB_TOKEN="credential")
    environ = {"JARVIS_HOME": str(home), "CREDENTIALS_DIRECTORY": folder, "GITHUB_TOKEN": "environment"}
    assert load(environ).github_token == "environment"


def test_only_secrets_are_credentials(home: Path, tmp_path: Path) -> None:
    folder = credentials(tmp_path, BIND_HOST="0.0.0.0", BIND_PORT="666", EXEC_HOST_SANDBOX="none")
    settings = load({"JARVIS_HOME": str(home), "CREDENTIALS_DIRECTORY": folder})
    assert (settings.bind_host, settings.bind_port, settings.exec_host_sandbox) == ("127.0.0.1", 8000, "auto")


def test_a_credential_that_others_may_write_is_not_believed(home: Path, tmp_path: Path) -> None:
    folder = credentials(tmp_path, GITHUB_TOKEN="planted")
    (Path(folder) / "GITHUB_TOKEN").chmod(0o622)
    settings = load({"JARVIS_HOME": str(home), "CREDENTIALS_DIRECTORY": folder})
    assert settings.github_token == ""
    assert "others may write" in settings.warnings[0]


@pytest.mark.parametrize("place", ["", "credentials", "."])
def test_a_credentials_directory_is_absolute_or_none(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    credentials(tmp_path, GITHUB_TOKEN="planted")
    monkeypatch.chdir(tmp_path / ("credentials" if place == "." else ""))
    settings = load({"JARVIS_HOME": str(home), "CREDENTIALS_DIRECTORY": place})
    assert settings.github_token == ""


def test_a_credential_is_not_sent_to_a_url_of_a_file(home: Path, tmp_path: Path) -> None:
    write(home / ".env", "OPENAI_BASE_URL=http://elsewhere.example.org\n")
    folder = credentials(tmp_path, OPENAI_API_KEY="key")
    settings = load({"JARVIS_HOME": str(home), "CREDENTIALS_DIRECTORY": folder})
    assert not config.may_send(settings, "OPENAI_API_KEY", "OPENAI_BASE_URL")
