"""How many parts: cross-validated errors of left-out pixels."""

import matplotlib.pyplot as plt

import gsp_studio as gs
from gsp_studio.experiments.rank import study_ranks
from gsp_studio.io import sample_path

X = gs.load_dataset(sample_path("swimmer")).X  # figures with a torso and four limbs in four positions: 17 parts
study = study_ranks(X, (11, 14, 17, 20), gs.Params(rank=1, sparsity=0.8, max_iter=15), seeds=1)

figure, axes = plt.subplots(figsize=(6, 3.2))
ranks = [row.rank for row in study.rows]
axes.errorbar(ranks, [100 * row.error for row in study.rows], [100 * row.spread for row in study.rows], fmt="o-")
axes.axvline(study.suggested, color="0.5", linestyle="--", label=f"suggested: {study.suggested}")
axes.set_xlabel("rank")
axes.set_ylabel("error of left-out pixels, %")
axes.set_xticks(ranks)
axes.legend(frameon=False)
plt.show()
