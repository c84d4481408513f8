"""What sparsity costs: one basis projected, and solutions at the same targets."""

import matplotlib.pyplot as plt
import numpy as np

import gsp_studio as gs
from gsp_studio.io import sample_path

X = gs.load_dataset(sample_path("faces")).X[:, ::5]
params = gs.Params(rank=12, seed=0, max_iter=50)
targets = np.linspace(0.5, 0.95, 10)
solved = gs.solved_path(X, params, targets)

start = gs.factorize(X, gs.Params(rank=12, method="ahals", seed=0, max_iter=50))
path = gs.SparsityPath(start.W)
projected = [start.gram.relative_error(path.project(s).values) for s in targets]

figure, axes = plt.subplots(figsize=(6, 3.4))
axes.plot(targets, [100 * error for error in projected], "--", color="0.4", label="one basis, projected")
axes.plot(targets, [100 * result.error for result in solved], "o-", label="solved for both factors")
axes.set_xlabel("target s, average sparsity of the basis")
axes.set_ylabel("error ‖X − WH‖ / ‖X‖, %")
axes.set_ylim(0, 60)
axes.legend(frameon=False)
plt.show()
