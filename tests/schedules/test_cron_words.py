"""What people may write for "when", and how they are told what is wrong."""

import zoneinfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jarvis.kernel.errors import Invalid
from jarvis.schedules import cron, wording
from tests.conftest import MORNING

NEVER = ["30 2 30 2 *", "0 0 31 2,4,6,9,11 *"]
WRONG = [
    "", "x", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8",
    "5-1 * * * *", "*/0 * * * *", "1,, * * * *", "@reboot", "@every", "@every:", "@every:0", "@every:-5",
    "@every:1.5", "@every:x",
    "@every:99999999999", "@every:١", "٣ * * * *", "* * * * L", "@Yearly now", *NEVER,
]  # fmt: skip


@pytest.mark.parametrize("expr", WRONG)
def test_a_wrong_rule_is_refused_at_its_field(expr: str) -> None:
    with pytest.raises(Invalid) as refusal:
        cron.check(cron.normal(expr), "UTC", MORNING)
    assert [fault.field for fault in refusal.value.fields] == ["cron_expr"]


@pytest.mark.parametrize(
    "zone",
    ["", "Mars/Olympus", "europe/berlin", "Europe", "../../etc/passwd", "/etc/localtime", "right/UTC", "\x00", "ü"],
)
def test_a_wrong_zone_is_refused_at_its_field(zone: str) -> None:
    with pytest.raises(Invalid) as refusal:
        cron.check("@daily", zone, MORNING)
    assert [fault.field for fault in refusal.value.fields] == ["timezone"]


def test_a_zone_nearly_right_is_suggested() -> None:
    with pytest.raises(Invalid, match="did you mean Europe/Berlin"):
        cron.zone("europe/berlin")


def test_without_a_zone_database_only_utc_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise zoneinfo.ZoneInfoNotFoundError(name)

    monkeypatch.setattr(zoneinfo, "ZoneInfo", missing)
    monkeypatch.setattr(zoneinfo, "available_timezones", set)
    cron.check("@daily", "UTC", MORNING)
    with pytest.raises(Invalid, match="tzdata"):
        cron.zone("Europe/Berlin")


@settings(max_examples=400, deadline=None)
@given(st.text(alphabet="0123456789*/,-@#LWMONSUN: evry", max_size=30))
def test_whatever_is_written_is_a_rule_or_refused(text: str) -> None:
    try:
        rule = cron.check(cron.normal(text), "UTC", MORNING)
    except Invalid:
        return
    assert rule.following(MORNING) is not None
    assert wording.in_words(cron.normal(text), "UTC")


@pytest.mark.parametrize(
    ("expr", "words"),
    [
        ("@every:60", "Every 1 min"),
        ("@every:900", "Every 15 min"),
        ("@every:90", "Every 90 s"),
        ("@every:172800", "Every 2 d"),
        ("30 7 * * 1-5", "Weekdays 07:30, Europe/Lisbon"),
        ("0 4 * * 1", "Mondays 04:00, Europe/Lisbon"),
        ("@daily", "Daily 00:00, Europe/Lisbon"),
        ("*/10 * * * *", "Every 10 min, Europe/Lisbon"),
        ("*/7 * * * *", "Every seventh minute of every hour, Europe/Lisbon"),
        ("0 */6 * * *", "Every 6 h, Europe/Lisbon"),
        ("@hourly", "At the start of every hour, Europe/Lisbon"),
        ("5 4 1 * *", "At 04:05 on the first day of every month, Europe/Lisbon"),
    ],
)
def test_a_rule_is_said_in_words(expr: str, words: str) -> None:
    assert wording.in_words(expr, "Europe/Lisbon") == words


def test_names_and_spaces_are_made_plain() -> None:
    assert cron.normal("  0   7 * *  1-5 ") == "0 7 * * 1-5"
    assert cron.normal("@Daily") == "@daily"
