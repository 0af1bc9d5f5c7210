import numpy as np

from wildvision.evaluation.judging import judge
from wildvision.evaluation.manifest import read_manifest
from wildvision.evaluation.running import score_manifest


def test_a_scored_manifest_says_what_predict_says(classifier, manifest):
    rows = read_manifest(manifest)
    table, unscored = score_manifest(classifier, rows, manifest.parent, batch_size=5)
    assert unscored == {}
    assert table.path.tolist() == [row["path"] for row in rows]
    predictions = classifier.predict([manifest.parent / row["path"] for row in rows])
    judged = judge(table, classifier.card.calibration, classifier.card.operating_points)
    np.testing.assert_allclose(
        judged.probabilities, [[p.scores[g] for g in table.groups] for p in predictions], atol=1e-5
    )
    np.testing.assert_allclose(
        table.leaf_probabilities, [[p.leaves[name] for name in table.leaves] for p in predictions], atol=1e-5
    )
    blocked = [p.decision == "block" for p in predictions]
    assert judged.block.any(axis=1).tolist() == blocked


def test_photos_that_cannot_be_read_are_counted_and_left_out(classifier, manifest, tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"not a photo")
    rows = read_manifest(manifest)[:3]
    missing = {**rows[0], "path": "nowhere.jpg"}
    bad = {**rows[0], "path": str(tmp_path / "bad.jpg")}
    seen = []
    table, unscored = score_manifest(
        classifier, [rows[0], missing, rows[1], bad, rows[2]], manifest.parent, batch_size=2, progress=seen.append
    )
    assert table.path.tolist() == [row["path"] for row in rows]
    assert unscored["not_found"] == 1
    assert sum(unscored.values()) == 2
    assert seen == [2, 4, 5]


def test_a_manifest_of_unreadable_photos_gives_an_empty_table(classifier, manifest):
    row = {**read_manifest(manifest)[0], "path": "nowhere.jpg"}
    table, unscored = score_manifest(classifier, [row], manifest.parent)
    assert len(table) == 0
    assert unscored == {"not_found": 1}


def test_copies_count_and_are_named_and_labels_that_disagree_too(classifier, manifest, tmp_path, caplog):
    rows = read_manifest(manifest)
    path = tmp_path / "copy.png"
    path.write_bytes((manifest.parent / rows[0]["path"]).read_bytes())
    other = {**rows[0], "path": str(path)}
    table, _ = score_manifest(classifier, [*rows[:3], other], manifest.parent)
    assert len(table) == 4
    assert f"1 photos are there more than once, {rows[0]['path']} as {path} for one" in caplog.text
    assert "several labels" not in caplog.text
    other["group"] = "none" if rows[0]["group"] != "none" else "ivory"
    score_manifest(classifier, [rows[0], other], manifest.parent)
    assert f"several labels: {rows[0]['path']} {rows[0]['group']}, {path} {other['group']}" in caplog.text
