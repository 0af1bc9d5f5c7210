import dataclasses
import json
import re
import shutil
import sys

import numpy as np
import pytest

from tests.evaluation.tables import make_table
from wildvision.errors import MissingExtraError
from wildvision.evaluation.bootstrap import Estimate
from wildvision.evaluation.card_metrics import metrics_block, write_metrics
from wildvision.evaluation.judging import judge_across_sources
from wildvision.evaluation.measure import measure
from wildvision.evaluation.report import write_report
from wildvision.evaluation.results import CorruptionCost, Pointing
from wildvision.models import load_card, load_classifier

STRESS = CorruptionCost(
    part="real",
    group="ivory",
    corruption="jpeg",
    strength=2,
    n_positives=9,
    n_sources=2,
    n_negatives=99,
    recall_clean=0.9,
    recall=0.6,
    lost=Estimate(0.3, 0.1, 0.5),
    recall_fixed=0.7,
    fpr_fixed=0.02,
)
POINTING = Pointing("real", "ivory", 4, 1, 0.5, 0.2, Estimate(2.5, 2.0, 3.0), 0)


@pytest.fixture(scope="module")
def evaluation():
    table = make_table(400, synthetic=0.3)
    found = measure(judge_across_sources(table), model="<made-up>", resamples=30, unscored={"truncated": 2})
    real, synthetic = (dataclasses.replace(p, groups={"ivory": p.groups["ivory"]}) for _, p in found.parts)
    return dataclasses.replace(found, real=real, synthetic=synthetic, robustness=(STRESS,), explanations=(POINTING,))


def test_a_report_is_json_and_one_self_contained_page(evaluation, tmp_path):
    page = write_report(evaluation, tmp_path / "report").read_text()
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["real"]["groups"]["ivory"]["n_positives"] > 0
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert "<script" not in page
    assert page.count("<svg") == 2 * (1 + 1)
    assert "&lt;made-up&gt;" in page
    assert "<made-up>" not in page


def test_a_report_says_what_it_was_measured_on(evaluation, tmp_path):
    said = dataclasses.replace(evaluation, measured_on="photos that <the model> was trained on")
    page = write_report(said, tmp_path).read_text()
    assert "photos that &lt;the model&gt; was trained on" in page
    assert json.loads((tmp_path / "report.json").read_text())["measured_on"] == said.measured_on


def test_real_and_synthetic_numbers_stand_in_sections_of_their_own(evaluation, tmp_path):
    page = write_report(evaluation, tmp_path).read_text()
    assert page.index('class="real"') < page.index('class="synthetic"')
    only_real = write_report(dataclasses.replace(evaluation, synthetic=None), tmp_path / "b").read_text()
    assert 'class="synthetic"' not in only_real


def test_a_costly_middle_strength_is_marked(evaluation, tmp_path):
    assert '<span class="bad">+30.0 [+10.0, +50.0]</span>' in write_report(evaluation, tmp_path).read_text()
    mild = dataclasses.replace(evaluation, robustness=(dataclasses.replace(STRESS, lost=Estimate(0.1, 0.0, 0.2)),))
    assert 'class="bad"' not in write_report(mild, tmp_path).read_text()


def test_the_same_numbers_give_the_same_bytes(evaluation, tmp_path):
    assert (
        write_report(evaluation, tmp_path / "a").read_bytes() == write_report(evaluation, tmp_path / "b").read_bytes()
    )


def test_photos_are_embedded_only_when_asked_for(evaluation, tmp_path, manifest):
    named = write_report(evaluation, tmp_path / "a").read_text()
    assert "data:image" not in named
    group = evaluation.real.groups["ivory"]
    worst = {
        "missed": [{**group.worst["missed"][0], "path": "0.jpg"}],
        "false": [{**group.worst["false"][0], "path": "no.jpg"}],
    }
    part = dataclasses.replace(evaluation.real, groups={"ivory": dataclasses.replace(group, worst=worst)})
    shown = dataclasses.replace(evaluation, real=part, synthetic=None)
    page = write_report(shown, tmp_path / "b", photos=manifest.parent).read_text()
    assert page.count("data:image/jpeg") == 1
    assert "cannot be read" in page


def test_without_matplotlib_the_extra_is_named(evaluation, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"wildvision\[evaluate\]"):
        write_report(evaluation, tmp_path)


def test_a_card_gets_numbers_counts_and_intervals_but_no_curves_and_no_photos(evaluation, model, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(model, folder)
    said = dataclasses.replace(evaluation, measured_on="made-up photos")
    write_metrics(said, folder, calibration={"ivory": {"n_positives": 3}})
    metrics = load_card(folder).metrics
    ivory = metrics["real"]["groups"]["ivory"]
    assert metrics["measured_on"] == "made-up photos"
    assert set(ivory["auroc"]) == {"value", "low", "high"}
    assert ivory["n_sources"] > 0
    assert metrics["synthetic"]["groups"]["ivory"] != ivory
    assert metrics["calibration"]["ivory"]["n_positives"] == 3
    assert "photos/" not in json.dumps(metrics)
    assert "curve" not in ivory
    assert load_classifier(folder).predict(np.zeros((8, 8, 3), np.uint8)).ok  # the weights still fit the card


def test_a_block_without_renders_says_so(evaluation):
    assert metrics_block(dataclasses.replace(evaluation, synthetic=None))["synthetic"] is None
