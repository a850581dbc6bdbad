"""The report: one file that needs nothing else."""

import html
import json
import re
import shutil
import subprocess

import pandas as pd
import pytest

from synimg.analysis.separation_files import separate_dataset
from synimg.analysis.validate import validate
from synimg.errors import SynimgError
from synimg.store.atomic import read_json, write_json
from synimg.store.cohort import Cohort
from synimg.store.dataset import Dataset
from synimg.viewers.report import report
from synimg.viewers.report.page import nearest_preset
from synimg.viewers.report.sections import lost_text
from synimg.viewers.report.tables import sortable


@pytest.fixture(scope="module")
def page(tiny_path, tmp_path_factory):
    """The report of the tiny data set, in a file of its own."""
    return report(tiny_path, out=tmp_path_factory.mktemp("report") / "page.html")


def test_the_page_is_self_contained_and_tells_the_whole_story(page):
    page = page.read_text()
    for title in (
        "What the network learned",
        "The image",
        "Counting receptors",
        "Homeostasis",
        "Booked, or made?",
        "The growth of the map",
        "Error budget",
        "erasure",
    ):
        assert title in page
    assert page.count("data:image/png;base64,") == 11
    assert not re.findall(r"(?:src|href)=[\"'](?!data:)", page)


@pytest.mark.usefixtures("short_budget")
def test_a_question_about_groups_has_its_figure_until_it_is_asked_no_more(tiny_copy):
    separate_dataset(tiny_copy, method="neuron_median", by="z_um")
    validate(tiny_copy)
    page = report(tiny_copy).read_text()
    assert "By z_um" in page
    assert page.count("data:image/png;base64,") == 12
    separate_dataset(tiny_copy, method="neuron_median")
    assert not (tiny_copy / "analysis/default/groups.parquet").exists()
    assert Dataset.open(tiny_copy).verify() == []


def test_a_network_that_did_not_learn_says_so_at_the_top(tiny_copy):
    scores = read_json(tiny_copy / "analysis/default/scores.json")
    scores["network"]["criterion_trials"] = None
    write_json(tiny_copy / "analysis/default/scores.json", scores)
    page = report(tiny_copy).read_text()
    assert "<li>the network did not reach the learning criterion</li>" in page
    assert "It did not reach the criterion in the trials it had" in page


def test_a_data_set_that_is_not_validated_says_what_to_run(tiny_copy):
    with pytest.raises(SynimgError, match="run 'synimg measure"):
        report(tiny_copy, run="other")


def test_settings_that_differ_from_the_preset_come_first(tiny_path):
    config = Dataset.open(tiny_path).config
    assert nearest_preset(config) == ("tiny", {})
    changed = config.model_copy(update={"training": config.training.model_copy(update={"window_days": 3.0})})
    assert nearest_preset(changed) == ("tiny", {"training.window_days": ("2.0", "3.0")})


def test_the_stage_that_loses_most_is_named():
    rows = {stage: {"hierarchical": ap} for stage, ap in (("true counts", 0.6), ("labelled", 0.55), ("measured", 0.3))}
    assert "Most is lost from 'labelled' to 'measured': average precision 0.55 becomes 0.30" in lost_text(
        rows, "hierarchical"
    )
    assert "No stage loses" in lost_text({"a": {"hierarchical": 0.5}, "b": {"hierarchical": 0.5}}, "hierarchical")
    assert lost_text({"a": {"hierarchical": None}}, "hierarchical") == ""


def test_a_text_in_a_table_cannot_end_the_script():
    page = sortable("t", pd.DataFrame({"a": ["</script><b>"], "b": [float("nan")]}))
    assert page.count("</script>") == 1
    assert "null" in page


def test_a_cohort_has_a_page_that_compares_groups_and_methods(tiny_path, tmp_path):
    config = Dataset.open(tiny_path).config
    trained, naive = (
        config.model_copy(update={"animal_id": a, "group": g}) for a, g in (("m1", "trained"), ("m2", "naive"))
    )
    cohort = Cohort.create(tmp_path / "mice", config, [trained, naive], ["few animals"])
    for one in (trained, naive):
        shutil.copytree(tiny_path, cohort.path / one.animal_id)
        index = read_json(cohort.path / one.animal_id / "dataset.json")
        index["config"] |= {"animal_id": one.animal_id, "group": one.group}
        write_json(cohort.path / one.animal_id / "dataset.json", index)
    page = report(cohort.path)
    assert page == cohort.path / "report.html"
    text = page.read_text()
    assert "2 animals (1 trained, 1 naive)" in text
    assert "<li>few animals</li>" in text
    assert '"m2","naive"' in text
    assert '"neuron_mode"' in text


FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--enable-logging=stderr", "--virtual-time-budget=3000",
)  # fmt: skip
PROBE = """<script>
const box = document.getElementById("synapses");
const cells = (k) => [...box.querySelectorAll("tbody tr")].map((r) => r.cells[k].textContent);
const names = [...box.querySelectorAll("th")].map((h) => h.textContent), at = names.indexOf("p learning");
box.querySelectorAll("th")[at].click();
box.querySelectorAll("th")[at].click();
const down = cells(at).map(Number), input = box.querySelector("input");
input.value = "p_learning < 0.5, match = match";
input.dispatchEvent(new Event("input"));
const count = box.querySelector(".count").textContent;
addEventListener("load", () => setTimeout(() => {
  const canvas = document.querySelector(".map canvas"), seen = new Set(canvas.getContext("2d").getImageData(0, 0, 400, 400).data);
  document.title = JSON.stringify({ down, count, width: document.documentElement.scrollWidth, colours: seen.size,
    wide: [...document.querySelectorAll("img, p, h1, h2")].filter(
      (e) => !e.closest(".scroll") && e.getBoundingClientRect().right > innerWidth + 1).length,
    thin: Math.min(...[...document.querySelectorAll(".scroll img")].map((e) => e.clientWidth / e.naturalWidth)),
    small: Math.min(...[...document.querySelectorAll("p, td, li")].map((e) => parseFloat(getComputedStyle(e).fontSize))) });
}, 500));
</script>"""


def chromium(browser, folder, *arguments):
    done = subprocess.run(
        [browser, *FLAGS, f"--user-data-dir={folder / 'profile'}", *arguments],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    # a refused request would be told here, because the page forbids every one
    assert "CONSOLE" not in done.stderr
    return done.stdout


@pytest.mark.browser
def test_in_a_browser_tables_sort_and_filter_and_the_map_is_drawn(page, tmp_path, browser):
    (tmp_path / "page.html").write_text(page.read_text().replace("</body>", PROBE + "</body>"))
    dom = chromium(browser, tmp_path, "--window-size=1280,900", "--dump-dom", (tmp_path / "page.html").as_uri())
    seen = json.loads(html.unescape(re.search("<title>(.*)</title>", dom)[1]))
    assert seen["down"] == sorted(seen["down"], reverse=True)
    assert len(seen["down"]) == 50
    n, total = map(int, seen["count"].split(" of "))
    assert 0 < n < total
    assert seen["colours"] > 50
    assert seen["width"] <= 1280
    assert seen["wide"] == 0
    assert seen["small"] >= 13


@pytest.mark.browser
def test_a_phone_shows_it_without_scrolling_sideways(page, tmp_path, browser):
    frame = '<body style="margin:0"><iframe id="f" src="page.html" style="width:390px;height:2000px;border:0"></iframe>'
    (tmp_path / "page.html").write_text(
        page.read_text().replace("</body>", PROBE + "<script>" + TELL + "</script></body>")
    )
    (tmp_path / "phone.html").write_text(frame + "<script>onmessage = (e) => { document.title = e.data; };</script>")
    dom = chromium(browser, tmp_path, "--window-size=800,900", "--dump-dom", (tmp_path / "phone.html").as_uri())
    seen = json.loads(html.unescape(re.search("<title>(.*)</title>", dom)[1]))
    assert seen["width"] <= 390
    assert seen["thin"] >= 0.6  # its text stays legible, and the picture is moved sideways
    assert seen["wide"] == 0


TELL = 'addEventListener("load", () => setTimeout(() => parent.postMessage(document.title, "*"), 800));'


@pytest.fixture(scope="module")
def printed(page, browser, tmp_path_factory):
    """The page as chromium prints it."""
    folder = tmp_path_factory.mktemp("print")
    chromium(browser, folder, "--no-pdf-header-footer", f"--print-to-pdf={folder / 'page.pdf'}", page.as_uri())
    return folder / "page.pdf"


@pytest.mark.browser
def test_it_prints_to_pdf_and_stays_small(page, printed):
    pdf = printed.read_bytes()
    assert pdf.startswith(b"%PDF")
    assert len(re.findall(rb"/Type /Page\b", pdf)) > 3
    assert page.stat().st_size < 4e6


@pytest.mark.browser
def test_no_printed_page_is_blank_and_every_section_is_printed(page, printed):
    qt = pytest.importorskip("PyQt6.QtPdf")
    size = pytest.importorskip("PyQt6.QtCore").QSize(153, 198)
    pdf = qt.QPdfDocument(None)
    pdf.load(str(printed))
    text = ""
    for k in range(pdf.pageCount()):
        text += pdf.getAllText(k).text()
        picture = pdf.render(k, size)
        colours = {picture.pixel(x, y) for x in range(size.width()) for y in range(size.height())}
        assert len(colours) > 20, f"page {k + 1}"
    for title in re.findall(r"<h2>(.*?)</h2>", page.read_text()):
        assert html.unescape(title) in text
