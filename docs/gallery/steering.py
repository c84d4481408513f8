"""A run that is steered: another target on the way, then a basis image that is frozen."""

from dataclasses import replace

import matplotlib.pyplot as plt

import gsp_studio as gs
from gsp_studio.io import sample_path

X = gs.load_dataset(sample_path("faces")).X[:, ::4]
params = gs.Params(rank=12, method="psnmf", sparsity=0.6, seed=0, max_iter=120, tol=0.0)
sparser = replace(params, sparsity=0.85)
result = gs.factorize(X, params, steering={40: sparser, 80: replace(sparser, frozen=(0,))})

figure, axes = plt.subplots(figsize=(6, 3))
axes.semilogy(result.history.n_iter, 100 * result.history.error, label="error, %")
axes.set_xlabel("iteration")
axes.set_ylabel("error, %")
for at, words in ((40, "s = 0.85"), (80, "image 1 frozen")):
    axes.axvline(at, color="0.6", linestyle="--")
    axes.annotate(words, (at, axes.get_ylim()[0]), (4, 6), textcoords="offset points", fontsize=9)
plt.show()
