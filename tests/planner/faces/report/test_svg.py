"""Pictures as SVG: well formed, alike on every run, each with its own ids and words as they are."""

from __future__ import annotations

import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from planner.faces.report.canvas import NARROW, WIDE, Canvas, laid_out, plotted
from planner.faces.report.svg import Picture, slug
from tests.planner.faces.report.reports import HOSTILE, charts, everything, planned

NAMESPACE = "{http://www.w3.org/2000/svg}"


def _words(canvas: Canvas) -> None:
    canvas.bar(2, 90, 10, 10, "own", tip=HOSTILE)
    canvas.words(2, 8, HOSTILE)


def _pictures() -> list[Picture]:
    reports = (everything(), planned("prod"), planned("staging"), planned("dev"))
    drawn = [picture for report in reports for each in charts(report).all() for picture in (each.wide, each.narrow)]
    return [picture for picture in drawn if picture is not None]


def test_words_are_left_as_they_are() -> None:
    for picture in laid_out("words", HOSTILE, HOSTILE, lambda _: 40, _words):
        root = ElementTree.fromstring(picture.standalone)
        assert [text.text for text in root.iter(f"{NAMESPACE}text")] == [HOSTILE]
        assert [title.text for title in root.iter(f"{NAMESPACE}title")] == [HOSTILE, HOSTILE]
        assert [told.text for told in root.iter(f"{NAMESPACE}desc")] == [HOSTILE]


def test_every_picture_is_small_well_formed_and_named() -> None:
    pictures = _pictures()
    assert len(pictures) > 30
    for picture in pictures:
        root = ElementTree.fromstring(picture.standalone)
        assert root.get("viewBox") == f"0 0 {picture.width} {picture.height}"
        assert picture.width in (WIDE, NARROW)
        assert root.get("role") == "img"
        ids = [each.get("id") for each in root.iter() if each.get("id")]
        assert len(ids) == len(set(ids))
        assert all(str(name).startswith(picture.name) for name in ids)
        assert set((root.get("aria-labelledby") or "").split()) <= set(ids)
        assert set(re.findall(r'(?:url\(|href=")#([^)"]+)', picture.body)) <= set(ids)
        assert len(picture.standalone) < 60_000
        assert re.findall(r"\d\.\d{3,}", re.sub(r">[^<]*<", "><", picture.body)) == []
        assert re.findall(r"#[0-9a-fA-F]{6}\b", re.sub(r">[^<]*<", "><", picture.body)) == []


def test_no_picture_asks_for_anything() -> None:
    for picture in _pictures():
        addresses = set(re.findall(r"https?://[^\"' ]+", picture.standalone))
        assert addresses <= {"http://www.w3.org/2000/svg"}
        assert "<script" not in picture.standalone
        assert "onload" not in picture.standalone


def test_the_same_values_give_the_same_bytes_in_another_process() -> None:
    script = (
        "from tests.planner.faces.report.reports import charts, planned\n"
        "import hashlib\n"
        "texts = [each.wide.standalone + each.narrow.standalone for each in charts(planned('prod')).all()]\n"
        "print(hashlib.sha256(''.join(texts).encode()).hexdigest())\n"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1]


def test_settings_of_the_library_do_not_reach_a_picture() -> None:
    import matplotlib

    before = [each.standalone for each in laid_out("words", "t", "d", lambda _: 40, _words)]
    with matplotlib.rc_context({"font.size": 30, "lines.linewidth": 9, "text.parse_math": True}):
        assert [each.standalone for each in laid_out("words", "t", "d", lambda _: 40, _words)] == before
        assert matplotlib.rcParams["font.size"] == 30


def test_without_the_library_nothing_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("planner.faces.report.canvas.find_spec", lambda name: None)
    assert laid_out("words", "t", "d", lambda _: 40, _words) == ()
    assert plotted("words", "t", "d", 40, _words) == ()


@pytest.mark.parametrize(("name", "safe"), [("week-chat", "week-chat"), ('a"><b/../c', "a-b-c"), ("../../x", "x")])
def test_a_name_of_a_file_and_an_id_is_safe(name: str, safe: str) -> None:
    assert slug(name) == safe
