"""The redaction sink. Keys are put together at run time, so that no scanner finds any in this file."""

import base64
import json
import time
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jarvis.kernel.secrets import DEEPEST, MASK, SHORTEST, Redactor

RUN = "aB3dE6gH9" * 12
UPPER = "ABCDEFGH23456789" * 4
PEM = "-----BEGIN {}PRIVATE KEY{}-----\n{}\n-----END {}PRIVATE KEY{}-----"

SHAPES = {
    "github": "gh" + "p_" + RUN[:36],
    "github app": "gh" + "s_" + RUN[:36],
    "github fine-grained": "github" + "_pat_" + RUN[:40],
    "gitlab": "gl" + "pat-" + RUN[:20],
    "openai": "s" + "k-" + RUN[:48],
    "anthropic": "s" + "k-ant-api03-" + RUN[:48],
    "stripe": "s" + "k_live_" + RUN[:24],
    "aws": "AK" + "IA" + UPPER[:16],
    "aws session": "AS" + "IA" + UPPER[:16],
    "google": "AI" + "za" + RUN[:35],
    "google access": "ya" + "29." + RUN[:60],
    "google client": "GO" + "CSPX-" + RUN[:28],
    "google refresh": "1/" + "/0" + RUN[:40],
    "slack": "xo" + "xb-" + "123456789012-" + RUN[:24],
    "hugging face": "h" + "f_" + RUN[:34],
    "npm": "np" + "m_" + RUN[:36],
    "pypi": "py" + "pi-" + RUN[:60],
    "age": "AGE-SECRET-" + "KEY-1" + UPPER[:58],
    "slack webhook": "hooks." + "slack.com/services/T" + UPPER[:9] + "/B" + UPPER[:9] + "/" + RUN[:24],
    "docker": "dc" + "kr_pat_" + RUN[:27],
    "digitalocean": "do" + "p_v1_" + "0123456789abcdef" * 4,
    "sendgrid": "S" + "G." + RUN[:22] + "." + RUN[:43],
    "shopify": "shp" + "at_" + "0123456789abcdef" * 2,
    "telegram": "123456789" + ":A" + "A" + RUN[:33],
    "tailscale": "ts" + "key-auth-" + RUN[:12] + "-" + RUN[:32],
    "vault": "hv" + "s." + RUN[:90],
    "our own": "jr" + "v_ses_" + RUN[:43],
    "jwt": ".".join(("ey" + "J" + RUN[:20], "ey" + "J" + RUN[:40], RUN[:43])),
    "rsa": PEM.format("RSA ", "", "\n".join([RUN[:64]] * 4), "RSA ", ""),
    "encrypted rsa": PEM.format("RSA ", "", "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00FF\n\n" + RUN, "RSA ", ""),
    "pgp": PEM.format("PGP ", " BLOCK", "Version: 1.0 - x\n\n" + RUN, "PGP ", " BLOCK"),
}


class TestShapes:
    @pytest.mark.parametrize("name", SHAPES)
    @pytest.mark.parametrize("around", ["{}", "key={} and more", '"{}"', "({}),"])
    def test_a_known_shape_is_blanked_wherever_it_stands(self, name: str, around: str) -> None:
        assert Redactor().text(around.format(SHAPES[name])) == around.format(MASK)

    @pytest.mark.parametrize("name", SHAPES)
    def test_so_it_is_in_json(self, name: str) -> None:
        text = json.dumps({"key": SHAPES[name]})
        assert Redactor().text(text) == json.dumps({"key": MASK}, ensure_ascii=False)

    def test_a_key_file_cut_short_is_blanked_to_its_end(self) -> None:
        cut = SHAPES["rsa"][:150]
        assert Redactor().text(f"before {cut}") == f"before {MASK}"

    def test_a_storage_key_is_blanked_and_its_name_stays(self) -> None:
        key = "Account" + "Key=" + (RUN * 2)[:86] + "=="
        assert Redactor().text(f"x;{key};y") == f"x;AccountKey={MASK};y"

    def test_a_password_in_a_url_is_blanked_and_the_host_stays(self) -> None:
        url = "https://ada:{}@example.org/x".format("s3cret" * 2)
        assert Redactor().text(url) == f"https://{MASK}@example.org/x"
        assert Redactor().text("redis://:{}@db".format("s3cret" * 2)) == f"redis://{MASK}@db"

    @pytest.mark.parametrize(
        "text",
        [
            "task-" + "a" * 30,
            "the whisk-broom-of-many-words-and-more",
            "https://example.org:8080/a?b=c@d",
            "evt_01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "commit 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "eyJ is how it starts. eyJ",
            "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
            "1//0 is no token",
        ],
    )
    def test_ordinary_text_stays(self, text: str) -> None:
        assert Redactor().text(text) == text


AWKWARD = "p\"a\\s/s+w ö'rd=1"


class TestExactValues:
    @pytest.mark.parametrize(
        "shown",
        [
            AWKWARD,
            json.dumps(AWKWARD)[1:-1],
            json.dumps(AWKWARD, ensure_ascii=False)[1:-1],
            repr(AWKWARD)[1:-1],
            quote(AWKWARD),
            quote(AWKWARD, safe=""),
            quote_plus(AWKWARD),
            quote(AWKWARD, safe="").lower().replace("p%22", "p%22"),
        ],
    )
    def test_a_secret_is_found_as_encodings_show_it(self, shown: str) -> None:
        assert Redactor([AWKWARD]).text(f"<{shown}>") == f"<{MASK}>"

    @pytest.mark.parametrize("before", ["", "u:", "us:", "user:"])
    @pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
    def test_a_secret_is_found_in_base64_whatever_stands_before_it(self, before: str, encode) -> None:
        secret = "correct horse/battery?staple>~~~~"
        shown = encode(f"{before}{secret}".encode()).decode()
        left = Redactor([secret]).text(f"Basic {shown}").removeprefix("Basic ").replace(MASK, "")
        assert len(left) <= len(encode(before.encode())) + 4

    @pytest.mark.parametrize("before", ["", "a", "ab", "abc"])
    @pytest.mark.parametrize("after", ["", "x", "xy"])
    @given(secret=st.binary(min_size=18, max_size=60))
    def test_base64_pieces_hold_at_every_offset(self, before: str, after: str, secret: bytes) -> None:
        text = secret.hex()
        shown = base64.b64encode(f"{before}{text}{after}".encode()).decode()
        assert MASK in Redactor([text]).text(shown)

    def test_overlapping_secrets_leave_no_part_of_either(self) -> None:
        redactor = Redactor(["abcdefgh", "fghijklm", "abcdef"])
        assert redactor.text("<abcdefghijklm>") == f"<{MASK}>"
        assert redactor.text("<abcdefabcdefgh>") == f"<{MASK}{MASK}>"
        assert Redactor(["abcabc"]).text("<abcabcabcabc-abcabc>") == f"<{MASK}-{MASK}>"

    def test_a_secret_inside_a_longer_key_does_not_uncover_the_rest(self) -> None:
        key = SHAPES["github"]
        assert Redactor([key[10:20]]).text(f"<{key}>") == f"<{MASK}>"

    def test_the_lines_of_a_secret_of_several_lines_are_secret_too(self) -> None:
        secret = f"{RUN[:64]}\n{RUN[1:65]}\nend"
        redactor = Redactor([secret])
        assert redactor.text(f"line {RUN[:64]}") == f"line {MASK}"
        assert redactor.text(json.dumps(secret)) == f'"{MASK}"'
        assert redactor.text("the end") == "the end"

    def test_what_is_too_short_would_blank_ordinary_words(self) -> None:
        assert Redactor(["a" * (SHORTEST - 1), ""]).text("aaaaaaaaa") == "aaaaaaaaa"

    @given(st.lists(st.text(min_size=SHORTEST, max_size=20), min_size=1, max_size=4), st.text(max_size=40))
    def test_no_secret_survives(self, secrets: list[str], around: str) -> None:
        text = around.join(["", *secrets, ""])
        shown = Redactor(secrets).text(text)
        kept = shown.split(MASK)
        assert not any(secret in piece for secret in secrets for piece in kept)

    @given(st.text(max_size=200))
    def test_without_secrets_plain_prose_is_unchanged(self, text: str) -> None:
        prose = "".join(c for c in text if c.isspace() or c.isalpha())
        assert Redactor().text(prose) == prose


class TestValues:
    def test_every_string_of_a_json_value_is_redacted_keys_too(self) -> None:
        value = {"hunter2hunter2": ["hunter2hunter2", {"a": ("hunter2hunter2", 1, None, True, 2.5)}]}
        assert Redactor(["hunter2hunter2"]).value(value) == {MASK: [MASK, {"a": [MASK, 1, None, True, 2.5]}]}

    def test_the_original_is_left_alone(self) -> None:
        value = {"a": ["hunter2hunter2"]}
        Redactor(["hunter2hunter2"]).value(value)
        assert value == {"a": ["hunter2hunter2"]}

    def test_nesting_has_an_end(self) -> None:
        value: object = "x"
        for _ in range(DEEPEST + 10):
            value = [value]
        text = json.dumps(Redactor().value(value))
        assert text.strip("[]") == '"(nested too deeply)"'


class TestSpeed:
    """No input of a megabyte may take more than a small multiple of ordinary text."""

    ATTACKS = (
        "eyJ-" * 250_000,
        "eyJaaaaaaaaaa." * 70_000,
        "-----BEGIN RSA PRIVATE KEY-----" * 32_000,
        "-----BEGIN " + "A" * 1_000_000,
        "-----BEGIN A" * 80_000,
        "://" + "a" * 1_000_000,
        "://a:" * 200_000,
        "ghp_" * 250_000,
        "sk-" * 330_000,
        "a" * 1_000_000,
        "\n" * 1_000_000,
    )

    def seconds(self, redactor: Redactor, text: str) -> float:
        start = time.process_time()
        redactor.text(text)
        return time.process_time() - start

    def test_no_input_is_much_slower_than_prose(self) -> None:
        redactor = Redactor([RUN[n : n + 20] for n in range(8)] + ["a" * 20])
        prose = min(self.seconds(redactor, "The quick brown fox. " * 48_000) for _ in range(2))
        slowest = {attack[:20]: round(self.seconds(redactor, attack) / prose, 1) for attack in self.ATTACKS}
        assert max(slowest.values()) < 200, slowest  # a square would be thousands
