"""Templates and style sheets: all compile, none needs an exception from the strict policy."""

import hashlib
import json
import re
from pathlib import Path

import jinja2
import pytest

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = sorted(path.relative_to(ROOT / "templates").as_posix() for path in (ROOT / "templates").rglob("*.html"))
VENDOR = ROOT / "static" / "vendor" / "htmx-4.0.1"
FORBIDDEN = {
    "an inline script": r"<script(?![^>]*\bsrc=)",
    "an inline style": r"<style\b|\sstyle\s*=",
    "an inline handler": r"\son[a-z]+\s*=",
    "a javascript: address": r"javascript:",
    "hx-on, which needs eval": r"\bhx-on\b",
    "js:, which needs eval": r"""=["']js:""",
    "another host": r"""(?:src|href|action)=["'](?:https?:)?//""",
    "an escape from autoescape": r"\|\s*safe\b|autoescape\s+false",
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_compiles(app, name):
    app.renderer.environment.get_template(name)


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("what", FORBIDDEN)
def test_a_template_holds_nothing_that_the_policy_would_stop(name, what):
    text = (ROOT / "templates" / name).read_text()
    assert not re.search(FORBIDDEN[what], text, re.IGNORECASE), f"{name} holds {what}"


def test_a_name_that_is_not_there_is_an_error_and_not_an_empty_space(app):
    with pytest.raises(jinja2.UndefinedError):
        app.renderer.environment.from_string("{{ nothing_of_that_name }}").render()


def test_what_people_type_is_escaped(app):
    shown = app.renderer.environment.from_string("{{ said }}").render(said="<b>&\"'")
    assert shown == "&lt;b&gt;&amp;&#34;&#39;"


def pages_of(app):
    paths = {route.path for route in app.routes if route.is_page and route.method == "GET" and "{" not in route.path}
    return sorted(paths - {"/"})


def test_every_page_has_one_h1_a_title_a_language_and_unique_ids(app, client):
    for who in (client, client.as_("alice"), client.as_("ada")):
        for path in pages_of(app):
            answer = who.get(path)
            if answer.status == 303:
                continue
            assert len(re.findall(r"<h1\b", answer.text)) == 1, path
            assert re.search(r"<title>[^<]{3,} · Jarvis on [^<]+</title>", answer.text), path
            assert '<html lang="en"' in answer.text, path
            ids = re.findall(r'\sid="([^"]+)"', answer.text)
            assert len(ids) == len(set(ids)), (path, sorted(i for i in ids if ids.count(i) > 1))


def test_every_label_belongs_to_a_field_and_every_field_has_a_name(app, client):
    for path in pages_of(app):
        page = client.as_("ada").get(path).text
        ids = set(re.findall(r'\sid="([^"]+)"', page))
        assert set(re.findall(r'<label for="([^"]+)"', page)) <= ids, path
        for described in re.findall(r'aria-(?:describedby|labelledby)="([^"]+)"', page):
            assert set(described.split()) <= ids, (path, described)


def test_vendored_files_are_what_their_manifest_says():
    manifest = json.loads((VENDOR / "manifest.json").read_text())
    assert set(manifest["sha256"]) == {path.name for path in VENDOR.iterdir()} - {"manifest.json"}
    for name, digest in manifest["sha256"].items():
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest, name


def test_style_sheets_of_features_stay_in_their_layer():
    for path in (ROOT / "static" / "css").glob("*.css"):
        layer = {"tokens": "tokens", "theme-dark": "tokens"}.get(path.stem, path.stem)
        expected = layer if layer in ("tokens", "base", "components") else "features"
        text = path.read_text()
        assert f"@layer {expected} {{" in text, path.name
        assert "url(" not in text, path.name
        assert "@import" not in text, path.name


def test_dark_redefines_every_colour_and_nothing_else():
    def names(stem):
        text = (ROOT / "static" / "css" / f"{stem}.css").read_text()
        return set(re.findall(r"(--[\w-]+):\s*#", text))

    both_the_same = {"--alarm", "--going"}  # white text stands on them in both themes
    assert names("tokens") - names("theme-dark") == both_the_same
    assert names("theme-dark") <= names("tokens")


def test_scripts_need_no_eval_and_no_inline_style():
    text = (ROOT / "static" / "js" / "app.js").read_text()
    for word in ("eval(", "new Function", "innerHTML", "outerHTML", "insertAdjacentHTML", ".style", "document.write"):
        assert word not in text, word
