"""What the rules take for a secret and what they let go. Values are drawn or put together at run time."""

import base64
import random
import re
import string

import pytest

from jarvis.secrets.rules import CONFIGURED, NAMED, Rules
from tests.kernel.test_secrets import SHAPES

LETTERS = string.ascii_letters + string.digits
WRITTEN = (
    'API_KEY = "{}"',
    "client_secret: {}",
    "export GITHUB_TOKEN={}",
    '"accessKey": "{}",',
    "password => '{}'",
    "auth_key := `{}`",
    "MY_SECRET_KEY={}  # do not tell",
    "<add key='ApiKey' token=\"{}\"/>",
)
INNOCENT = (
    "token = secrets.token_urlsafe(32)",
    "password: str = get_password_from_keyring()",
    'PASSWORD = os.environ["DATABASE_PASSWORD"]',
    "secret = settings.github_webhook_secret_2",
    "api_key: ${MY_API_KEY_2024_PROD}",
    'API_KEY="your-api-key-goes-here-123"',
    'token = "xxxxxxxxxxxxxxxxxxxxxxxx12"',
    "token_sha256 = 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "secret_name: projects/p1/secrets/db-password-2/versions/3",
    "private_key: ed25519.Ed25519PrivateKey",
    "public_key_fingerprint = 0f9e8d7c6b5a49382716f5e4d3c2b1a0",
    "WEB_AUTH_SETUP_PASSWORD=\nRATE_LIMIT_LOGINS_PER_MINUTE=10",
    "postgres://user:password@localhost:5432/app1",
    "https://user:pass@example.org/",
    "token: 12345678901234567890",
    "api-key: docs/how-to-make-1-api-key-2.md",
    "<button class='sk-toggleable__label-arrow-2024'>",
    "-----BEGIN PRIVATE KEY-----\n…\n-----END PRIVATE KEY-----",
    "AK" + "IAIOSFODNN7" + "EXAMPLE",
    "access_token=<ACCESS_TOKEN_1>",
    "passwordResetTokenLifetimeInSeconds2 = 3600",
    "token = self.parseNextTokenFromStreamV2",
    "secret: MySpecialSecretProviderFactoryBean2",
)


def drawn(seed: int) -> list[str]:
    """Values as programs draw them: letters and digits, base64, URL-safe, hexadecimal, UUIDs."""
    rng = random.Random(seed)
    raw = rng.randbytes(24)
    hexadecimal = rng.randbytes(20).hex()
    uuid = re.sub(r"(.{8})(.{4})(.{4})(.{4})(.{12})", r"\1-\2-\3-\4-\5", rng.randbytes(16).hex())
    mixed = "".join(rng.choices(LETTERS, k=rng.randint(20, 64)))
    return [mixed, base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode(), hexadecimal, uuid]


def rules(text: str, **known: str) -> list[str]:
    return [match.rule for match in Rules(known).matches(text)]


@pytest.mark.parametrize("name", SHAPES)
def test_every_known_shape_is_found(name: str) -> None:
    (match,) = Rules({}).matches(f"x = ({SHAPES[name]})")
    assert SHAPES[name].startswith(match.value[:20])


def test_what_is_drawn_at_random_is_found_under_a_telling_name() -> None:
    values = [value for seed in range(60) for value in drawn(seed)]
    cases = [(form.format(value), value) for value in values for form in WRITTEN]
    missed = [text for text, value in cases if value not in [match.value for match in Rules({}).matches(text)]]
    assert len(missed) / len(cases) < 0.04, missed[:20]


@pytest.mark.parametrize("text", INNOCENT)
def test_what_is_written_by_hand_or_refers_elsewhere_is_let_go(text: str) -> None:
    assert rules(text) == []


def test_the_same_value_without_a_name_is_let_go() -> None:
    assert [value for seed in range(40) for value in drawn(seed) if rules(f"commit {value}")] == []


def test_a_password_in_the_address_of_a_real_host_is_found() -> None:
    password = "".join(random.Random(7).choices(LETTERS, k=18)) + "9z"
    assert rules(f"postgres://app:{password}@db1.corp.net/app") == ["url-password"]


@pytest.mark.parametrize("shown", ["{}", '"{}"', "x{}y", "Basic {}"])
def test_a_value_in_use_is_found_however_it_looks(shown: str) -> None:
    assert rules(shown.format("plain old words"), THING="plain old words") == [CONFIGURED]


def test_a_value_in_use_is_found_in_base64_and_in_a_url() -> None:
    value = "plain old / words"
    encoded = base64.b64encode(b"user:" + value.encode()).decode()
    assert rules(encoded, THING=value) == [CONFIGURED]
    assert rules("https://x/?a=plain%20old%20%2F%20words", THING=value) == [CONFIGURED]


def test_each_of_two_values_that_overlap_while_rotating_is_known() -> None:
    known = {"GITHUB_WEBHOOK_SECRET": "first-words,other-words"}
    assert [match.rule for match in Rules(known).matches("other-words and first-words")] == [CONFIGURED] * 2


def test_one_place_is_told_once() -> None:
    key = SHAPES["github"]
    assert rules(f'GITHUB_TOKEN="{key}"') == ["github-token"]
    assert rules(f'GITHUB_TOKEN="{key}"', GITHUB_TOKEN=key) == [CONFIGURED]


def test_what_is_told_holds_nothing_of_the_secret() -> None:
    value = "".join(random.Random(3).choices(LETTERS, k=40))
    (match,) = Rules({}).matches(f"api_key={value}")
    assert match.rule == NAMED
    assert not any(value[i : i + 4] in match.says for i in range(len(value) - 3))


def test_no_input_makes_the_rules_slow() -> None:
    for piece in ("token=", "password", "://a:", "secret" + "a" * 24 + "=", "eyJ" + "a" * 40 + "."):
        list(Rules({}).matches(piece * (100_000 // len(piece))))  # the run's own time limit is the judge


def test_letters_that_grow_in_lower_case_move_nothing() -> None:
    value = "".join(random.Random(5).choices(LETTERS, k=40))
    (match,) = Rules({}).matches("İ" * 50 + f" api_key={value}")
    assert match.value == value
