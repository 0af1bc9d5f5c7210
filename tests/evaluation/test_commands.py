import dataclasses
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.evaluation.tables import make_table
from tests.models.tiny import make_tiny_model
from wildvision.cli import main
from wildvision.errors import ArgumentError
from wildvision.evaluation.card_metrics import calibrated_for, measured_on
from wildvision.evaluation.judging import judge
from wildvision.evaluation.measure import measure
from wildvision.evaluation.scores import read_scores, write_scores
from wildvision.models import export_weights, find_model, load_card, load_classifier, load_network, write_card


def test_evaluate_writes_a_report_of_a_manifest(model, manifest, tmp_path, capsys):
    out = tmp_path / "report"
    options = ["--out", str(out), "--resamples", "20", "--robustness", "1", "--explain", "--device", "cpu"]
    assert main(["evaluate", str(manifest), "--model", str(model), *options]) == 0
    report = json.loads((out / "report.json").read_text())
    assert report["model"] == load_card(model).model_id
    assert report["real"]["groups"]["ivory"]["n_positives"] == 3
    assert report["synthetic"]["groups"]["ivory"]["n_positives"] == 3
    assert {row["strength"] for row in report["robustness"]} == {1, 2, 3}
    explained = {(e["part"], e["group"]): e["n"] for e in report["explanations"]}
    assert explained["real", "ivory"] == explained["synthetic", "ivory"] == 3  # renders apart
    assert len(read_scores(out / "scores.parquet")) == report["real"]["n"] + report["synthetic"]["n"]
    assert "data:image" not in (out / "index.html").read_text()
    assert "ivory" in capsys.readouterr().out


def test_evaluate_reads_the_score_tables_of_training(tmp_path):
    table = make_table(300)
    for fold in range(2):
        write_scores(table.where(table.raw[:, 0] > 0 if fold else table.raw[:, 0] <= 0), tmp_path / f"{fold}.parquet")
    tables = [str(tmp_path / f"{fold}.parquet") for fold in range(2)]
    assert main(["evaluate", "--scores", *tables, "--out", str(tmp_path / "r"), "--resamples", "20"]) == 0
    report = json.loads((tmp_path / "r" / "report.json").read_text())
    assert report["real"]["n"] == table.judged.sum()
    assert "fitted on other sources" in report["policy"]


def test_evaluate_counts_unscored_photos_and_says_so_with_its_exit_code(model, manifest, tmp_path, capsys, caplog):
    broken = manifest.parent / "broken.csv"
    broken.write_text(manifest.read_text() + "nowhere.jpg,ivory,ivory_raw,s,1,high,0,\n")
    options = ["--model", str(model), "--out", str(tmp_path), "--resamples", "5", "--device", "cpu"]
    assert main(["evaluate", str(broken), *options]) == 1
    assert json.loads((tmp_path / "report.json").read_text())["unscored"] == {"not_found": 1}
    assert "nowhere.jpg could not be scored: not_found" in caplog.text
    assert "photos could not be scored: not_found 1" in capsys.readouterr().err
    broken.write_text(broken.read_text().splitlines()[0] + "\nnowhere.jpg,ivory,ivory_raw,s,1,high,0,\n")
    assert main(["evaluate", str(broken), *options]) == 2
    assert "none of the 1 photos could be scored" in capsys.readouterr().err


def test_evaluate_says_when_there_was_nothing_to_measure(model, tmp_path, capsys):
    table = make_table(100)
    write_scores(table.where(table.group == "none"), tmp_path / "scores.csv")
    arguments = ["--scores", str(tmp_path / "scores.csv"), "--model", str(model), "--out", str(tmp_path / "r")]
    assert main(["evaluate", *arguments, "--resamples", "5"]) == 0
    assert "nothing was measured" in capsys.readouterr().err


def test_error_is_measured_at_the_prevalence_that_the_card_was_calibrated_for(model, tmp_path, capsys):
    scores = str(tmp_path / "scores.csv")
    write_scores(make_table(600), scores)
    mine = str(tmp_path / "mine")
    assert main(["calibrate", "--scores", scores, "--model", str(model), "--out", mine, "--prevalence", "0.003"]) == 0
    arguments = ["--scores", scores, "--model", mine, "--out", str(tmp_path / "r"), "--resamples", "5"]
    assert main(["evaluate", *arguments, "--write-card"]) == 0
    report = json.loads((tmp_path / "r" / "report.json").read_text())
    assert list(report["real"]["groups"]["ivory"]["ece_at"]) == ["0.003"]
    assert "] at 0.003" in capsys.readouterr().out
    assert load_card(mine).metrics["calibration"]["ivory"]["prevalence"] == 0.003  # still there


def test_a_group_that_keeps_its_calibration_keeps_its_prevalence(model, tmp_path, capsys):
    table = make_table(900)
    few = np.flatnonzero(table.group == "python_skin")[:3]  # too few negatives would do as well
    rest = np.flatnonzero(table.group == "ivory")
    write_scores(table, tmp_path / "all.csv")
    first, second = tmp_path / "first", tmp_path / "second"
    assert main(["calibrate", "--scores", str(tmp_path / "all.csv"), "--model", str(model), "--out", str(first)]) == 0
    keep = np.zeros(len(table), bool)
    keep[rest] = keep[few] = True
    keep |= table.group == "none"
    write_scores(table.where(keep & (table.group != "python_skin")), tmp_path / "ivory.csv")
    arguments = ["--scores", str(tmp_path / "ivory.csv"), "--model", str(first), "--out", str(second)]
    assert main(["calibrate", *arguments, "--prevalence", "0.3"]) == 0
    assert "its probabilities are for 0.05" in capsys.readouterr().out
    prevalences = calibrated_for(load_card(second))
    assert (prevalences["ivory"], prevalences["python_skin"]) == (0.3, 0.05)
    assert load_card(second).metrics["calibration"]["python_skin"]["prevalence"] == 0.05


@pytest.mark.parametrize("command", ["evaluate", "calibrate"])
def test_scores_of_another_model_are_refused(model, manifest, tmp_path, capsys, command):
    out = tmp_path / "report"
    arguments = ["--model", str(model), "--out", str(out), "--device", "cpu", "--resamples", "5"]
    assert main(["evaluate", str(manifest), *arguments]) == 0
    own, scores = load_card(model).model_id, str(out / "scores.parquet")
    assert read_scores(scores).model == own
    capsys.readouterr()
    assert main([command, "--scores", scores, "--model", "fast", "--out", str(tmp_path / "x")]) == 2
    assert f"the scores are of {own}" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_a_seed_below_zero_and_names_of_other_models_are_refused_before_photos_are_scored(
    model, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("wildvision.evaluation.running.score_manifest", None)
    path = tmp_path / "m.csv"
    path.write_text("path,group,leaf,source,object_id\na.jpg,ivory,,s,\n")
    own = load_card(model).name
    for wanted in (["evaluate", str(path), "--seed", "-1"], ["calibrate", str(path), "--name", "fast"],
                   ["calibrate", str(path), "--name", ""], ["calibrate", str(path), "--name", own]):  # fmt: skip
        assert main([*wanted, "--model", str(model), "--out", str(tmp_path / "r")]) == 2
    assert "'fast' is the name of another model" in (said := capsys.readouterr().err)
    assert f"{own!r} is the name of another model" in said
    assert "--seed at least 0" in said and "lower-case" in said


def test_what_cannot_be_written_is_refused_before_photos_are_scored(model, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("wildvision.evaluation.running.score_manifest", None)
    path = tmp_path / "m.csv"
    path.write_text("path,group,leaf,source,object_id\na.jpg,ivory,,s,\n")
    bundled = str(find_model("fast").card_path.parent / ".." / "weights" / "fast.json")
    for wanted in (["evaluate", str(path), "--write-card", "--model", bundled],
                   ["calibrate", str(path), "--model", str(model), "--name", "My Model"]):  # fmt: skip
        assert main([*wanted, "--out", str(tmp_path / "r")]) == 2
        assert not (tmp_path / "r").exists()
    assert "comes with the library" in (said := capsys.readouterr().err)
    assert "lower-case" in said


def test_what_a_report_needs_is_missed_before_photos_are_scored(model, manifest, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("wildvision.evaluation.running.score_manifest", None)
    bare = manifest.parent / "bare.csv"
    bare.write_text("path,group,leaf,source,object_id\n0.jpg,ivory,,s,\n")
    taken = tmp_path / "file"
    taken.touch()
    options = ["--model", str(model), "--device", "cpu", "--out"]
    assert main(["evaluate", str(bare), *options, str(tmp_path / "r"), "--explain"]) == 2
    assert "no photo of a product has any in the column 'boxes'" in capsys.readouterr().err
    assert main(["evaluate", str(manifest), *options, str(taken)]) == 2
    assert str(taken) in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert main(["evaluate", str(manifest), *options, str(tmp_path / "r")]) == 2
    assert "wildvision[evaluate]" in capsys.readouterr().err
    assert not (tmp_path / "r").exists()


def test_networks_that_cannot_be_explained_are_refused_before_photos_are_scored(
    model, manifest, tmp_path, capsys, monkeypatch
):
    def refuse(*_):
        raise ArgumentError("no feature maps")

    monkeypatch.setattr("wildvision.evaluation.running.score_manifest", None)
    monkeypatch.setattr("wildvision.evaluation.explain.class_activation", refuse)
    options = ["--model", str(model), "--device", "cpu", "--out", str(tmp_path / "r"), "--explain"]
    assert main(["evaluate", str(manifest), *options]) == 2
    assert "no feature maps" in capsys.readouterr().err


def test_explanations_are_computed_where_photos_are_scored(model, manifest, tmp_path, monkeypatch):
    devices, network = [], load_network(find_model(model))

    class Movable:
        def to(self, device):
            devices.append(device)
            return network

    monkeypatch.setattr("wildvision.models.load_network", lambda _: Movable())
    options = ["--model", str(model), "--out", str(tmp_path), "--device", "cpu", "--resamples", "5", "--explain"]
    assert main(["evaluate", str(manifest), *options]) == 0
    assert devices == ["cpu"]


@pytest.mark.parametrize(
    "recipe", ["five epochs", {"folds": 5}, {"folds": [1, 2], "not_trained_on": None}, {"folds": [["elsewhere"]]}]
)
def test_a_card_may_say_anything_of_its_training(model, recipe):
    card = dataclasses.replace(load_card(model), training={"recipe": recipe})
    table = dataclasses.replace(make_table(20), model=card.model_id)
    assert measured_on("photos", card, table) == "photos"


@pytest.mark.parametrize("calibration", ["platt", {"ivory": "x"}, {"ivory": {"prevalence": None}}])
def test_metrics_that_say_no_prevalence_mean_the_usual_one(model, calibration):
    card = dataclasses.replace(load_card(model), metrics={"calibration": calibration})
    assert set(calibrated_for(card).values()) == {0.05}


@pytest.mark.parametrize(
    ("command", "name", "message"),
    [
        ("evaluate", "fast", "comes with the library"),
        ("evaluate", "detector-default", "comes with the library"),
        ("calibrate", "detector-default", "is a detector"),
    ],
)
def test_bundled_cards_and_detectors_get_no_numbers_of_photos(tmp_path, capsys, command, name, message):
    write_scores(make_table(100), tmp_path / "scores.csv")
    more = ["--write-card", "--resamples", "5"] if command == "evaluate" else []
    arguments = ["--scores", str(tmp_path / "scores.csv"), "--model", name, "--out", str(tmp_path / "r")]
    before = find_model(name).card_path.read_bytes()
    assert main([command, *arguments, *more]) == 2
    assert message in capsys.readouterr().err
    assert find_model(name).card_path.read_bytes() == before


def test_calibrate_writes_a_model_that_loads_with_new_thresholds_and_the_same_weights(model, tmp_path):
    write_scores(make_table(600), tmp_path / "scores.csv")
    out = tmp_path / "mine"
    arguments = ["--scores", str(tmp_path / "scores.csv"), "--model", str(model), "--out", str(out), "--name", "mine"]
    assert main(["calibrate", *arguments, "--review", "recall:0.9", "--block", "flags:50@0.0001"]) == 0
    old, new = load_card(model), load_card(out)
    assert new.name == "mine"
    assert new.weights == old.weights
    assert new.operating_points != old.operating_points
    assert new.provenance["ivory"]["review_target"] == "recall:0.9"
    assert new.metrics["calibration"]["ivory"]["n_sources"] > 1
    assert new.metrics["real"]["groups"]["ivory"]["auroc"]["value"] > 0.5
    assert load_classifier(out, device="cpu").card == new


@pytest.mark.parametrize(
    ("given", "stored"),
    [([], 0.05), (["--prevalence", "0.2"], 0.2), (["--prevalence", "data"], None)],
)
def test_calibrate_states_the_prevalence_that_probabilities_are_for(model, tmp_path, given, stored):
    write_scores(make_table(600), tmp_path / "scores.csv")
    out = tmp_path / "mine"
    assert (
        main(["calibrate", "--scores", str(tmp_path / "scores.csv"), "--model", str(model), "--out", str(out), *given])
        == 0
    )
    metrics = load_card(out).metrics
    ivory = metrics["real"]["groups"]["ivory"]
    expected = stored or ivory["n_positives"] / (ivory["n_positives"] + ivory["n_negatives"])
    assert metrics["calibration"]["ivory"]["prevalence"] == pytest.approx(expected)
    assert list(ivory["ece_at"]) == [f"{expected:g}"]


@pytest.mark.parametrize("given", ["0", "1", "rare"])
def test_a_prevalence_is_a_share(given, capsys):
    with pytest.raises(SystemExit) as end:
        main(["calibrate", "m.csv", "--out", "r", "--prevalence", given])
    assert end.value.code == 2
    assert repr(given) in capsys.readouterr().err


def test_a_temperature_is_not_chosen_where_a_prevalence_is_to_be_met(model, tmp_path):
    write_scores(make_table(400), tmp_path / "scores.csv")
    arguments = ["calibrate", "--scores", str(tmp_path / "scores.csv"), "--model", str(model)]
    for name, given, allowed in (("a", [], {"platt", "isotonic"}), ("b", ["--prevalence", "data"], None)):
        assert main([*arguments, "--out", str(tmp_path / name), *given]) == 0
        tried = load_card(tmp_path / name).metrics["calibration"]["ivory"]["out_of_fold_nll"]
        assert set(tried) == (allowed or {"platt", "isotonic", "temperature"})


def test_calibrate_takes_the_partner_along(model, tmp_path):
    other = find_model(make_tiny_model(tmp_path / "pair", name="other", seed=5) / "other.json")
    network = load_network(find_model(model))
    network.join(load_network(other), other.card.input.size)
    card = dataclasses.replace(load_card(model), name="main", partners=(other.card.model_id,))
    export_weights(network, card, tmp_path / "pair")
    itself = dataclasses.replace(other.card, partners=(load_card("probe").model_id,))  # which main leaves alone
    write_card(itself, tmp_path / "pair" / "other.json")
    write_scores(make_table(600), tmp_path / "scores.csv")
    arguments = ["--scores", str(tmp_path / "scores.csv"), "--model", str(tmp_path / "pair" / "main.json")]
    assert main(["calibrate", *arguments, "--out", str(tmp_path / "mine")]) == 0
    assert load_card(tmp_path / "mine" / "other.json") == itself
    (tmp_path / "pair" / "other.json").unlink()
    assert load_classifier(tmp_path / "mine", device="cpu").card.partners == (other.card.model_id,)


@pytest.mark.parametrize(("name", "stem"), [("other", "tiny"), ("model", "own")])
def test_calibrate_writes_no_partner_over_the_model(model, tmp_path, capsys, name, stem):
    pair = make_tiny_model(tmp_path / "pair", name=name, seed=5)
    other = load_card(pair / f"{name}.json")
    shutil.copy(pair / other.weights.file, pair / f"{stem}.safetensors")
    other = dataclasses.replace(other, weights=dataclasses.replace(other.weights, file=f"{stem}.safetensors"))
    write_card(other, pair / f"{name}.json")
    main_card = dataclasses.replace(load_card(model), name="main", partners=(other.model_id,))
    (tmp_path / "main").mkdir()
    shutil.copy(find_model(model).weights_path, tmp_path / "main")
    shutil.copy(pair / f"{name}.json", tmp_path / "main")
    write_card(main_card, tmp_path / "main" / "main.json")
    arguments = ["--scores", "s.csv", "--model", str(tmp_path / "main" / "main.json"), "--out", str(tmp_path / "new")]
    assert main(["calibrate", *arguments]) == 2
    assert "would all be written as" in capsys.readouterr().err


def test_calibrate_writes_nothing_where_a_partner_s_weights_are_missing(model, tmp_path, capsys):
    folder = make_tiny_model(tmp_path / "pair", name="other", seed=5)
    shutil.copy(find_model(model).weights_path, folder)
    partners = (load_card(folder / "other.json").model_id,)
    write_card(dataclasses.replace(load_card(model), name="main", partners=partners), folder / "model.json")
    (folder / "other.safetensors").unlink()
    write_scores(make_table(600), tmp_path / "scores.csv")
    arguments = ["--scores", str(tmp_path / "scores.csv"), "--model", str(folder), "--out", str(tmp_path / "new")]
    assert main(["calibrate", *arguments]) == 2
    assert "cannot read the weights" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_calibrate_on_photos(model, manifest, tmp_path):
    out = tmp_path / "mine"
    options = ["--model", str(model), "--out", str(out), "--device", "cpu", "--review", "recall:0.5"]
    assert main(["calibrate", str(manifest), *options]) == 0
    assert load_card(out).provenance["ivory"]["basis"] == "photographs and renders"


def test_a_group_that_keeps_its_policy_is_measured_by_it(model, tmp_path, capsys):
    table = make_table(1200)
    others = np.flatnonzero(~table.synthetic & (table.group != "ivory"))[60:]
    few = table.where(~np.isin(np.arange(len(table)), others))  # 60 others; the other groups have the ivory as well
    write_scores(few, tmp_path / "scores.csv")
    arguments = ["--scores", str(tmp_path / "scores.csv"), "--model", str(model), "--out", str(tmp_path / "mine")]
    assert main(["calibrate", *arguments]) == 0
    old, new = load_card(model), load_card(tmp_path / "mine")
    assert "unchanged: " in next(line for line in capsys.readouterr().out.splitlines() if "ivory" in line)
    assert new.operating_points["ivory"] == old.operating_points["ivory"]
    own = measure(judge(few, old.calibration, old.operating_points), model="m", resamples=5)
    assert own.real.groups["ivory"].recall["review"].value > 0
    measured = new.metrics["real"]["groups"]["ivory"]
    assert measured["recall"]["review"]["value"] == own.real.groups["ivory"].recall["review"].value
    assert "as the card had it for ivory" in new.metrics["policy"]


def test_a_group_is_not_switched_off_by_too_few_photos(model, manifest, tmp_path, capsys):
    options = ["--model", str(model), "--out", str(tmp_path / "mine"), "--device", "cpu"]
    assert main(["calibrate", str(manifest), *options]) == 2
    said = capsys.readouterr().err
    assert "ivory: " in said
    assert "do not show that flags:100@0.0001 is met; label more" in said
    assert not (tmp_path / "mine").exists()


def test_two_calibrations_of_the_same_weights_have_names_of_their_own(model, tmp_path):
    write_scores(make_table(600), tmp_path / "scores.csv")
    names = []
    for prevalence in ("0.05", "0.3"):
        out = tmp_path / prevalence
        arguments = ["--scores", str(tmp_path / "scores.csv"), "--model", str(model), "--out", str(out)]
        assert main(["calibrate", *arguments, "--prevalence", prevalence]) == 0
        names.append(load_card(out).name)
    again = ["--scores", str(tmp_path / "scores.csv"), "--model", str(tmp_path / "0.3"), "--out", str(tmp_path / "c")]
    assert main(["calibrate", *again]) == 0
    assert len({*names, load_card(model).name}) == 3
    assert load_card(tmp_path / "c").name == names[0]  # the same again


@pytest.mark.parametrize(
    "arguments",
    [
        ["evaluate", "--out", "r"],
        ["evaluate", "m.csv", "--scores", "s.csv", "--out", "r"],
        ["evaluate", "--scores", "s.csv", "--out", "r", "--robustness", "5"],
        ["evaluate", "m.csv", "--out", "r", "--write-card"],
        ["evaluate", "nowhere.csv", "--out", "r"],
        ["evaluate", "m.csv", "--out", "r", "--resamples", "0"],
        ["calibrate", "--out", "r"],
        ["calibrate", "m.csv", "--out", "r", "--review", "nonsense"],
        ["calibrate", "m.csv", "--out", "r", "--method", "temperature"],
    ],
)
def test_wrong_arguments_end_with_code_two_and_one_line(arguments, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not (tmp_path / "r").exists()


def test_calibrate_overwrites_no_model(model, tmp_path, capsys):
    write_scores(make_table(100), tmp_path / "scores.csv")
    assert (
        main(["calibrate", "--scores", str(tmp_path / "scores.csv"), "--model", str(model), "--out", str(model)]) == 2
    )
    assert "not empty" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["evaluate", "calibrate"])
def test_a_card_says_of_its_numbers_when_the_model_was_trained_on_these_sources(model, tmp_path, caplog, command):
    folder = tmp_path / "mine"
    shutil.copytree(Path(model).parent if Path(model).is_file() else model, folder)
    (path,) = folder.glob("*.json")
    table = make_table(600)
    first, second, third = sorted(set(table.source.tolist()))[:3]
    recipe = {"folds": [[first], [second]], "not_trained_on": [second]}
    card = dataclasses.replace(load_card(folder), training={"recipe": recipe, "taught_by": [first, third]})
    write_card(card, path)
    by = card.model_id.replace(card.name, "another-name-of-the-same-weights")
    write_scores(dataclasses.replace(table, model=by), tmp_path / "scores.csv")
    arguments = ["--scores", str(tmp_path / "scores.csv"), "--model", str(folder), "--out", str(tmp_path / "r")]
    more = ["--write-card", "--resamples", "5"] if command == "evaluate" else []
    assert main([command, *arguments, *more]) == 0
    said = load_card(folder if command == "evaluate" else tmp_path / "r").metrics["measured_on"]
    assert said.endswith(f"trained on photos of {first}, {third}")
    assert f"trained on photos of {first}, {third}: numbers on these flatter it" in caplog.text
    if command == "evaluate":
        assert json.loads((tmp_path / "r" / "report.json").read_text())["measured_on"] == said
