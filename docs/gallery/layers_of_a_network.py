"""One slider for a network: the zeros of each layer over the target."""

import matplotlib.pyplot as plt
import numpy as np

from gsp_studio.pruning import Grouping, NetworkPath
from gsp_studio.pruning.projection import layers_of

rng = np.random.default_rng(0)
shapes = {"first": (300, 784), "hidden": (100, 300), "last": (10, 100)}
weights = {f"{name}.weight": rng.standard_normal(shape) / np.sqrt(shape[1]) for name, shape in shapes.items()}
path = NetworkPath(layers_of(weights), Grouping("network"))

targets = np.linspace(path.start, 0.95, 16)
figure, axes = plt.subplots(figsize=(6, 3.2))
zeros = [path.zeros(s) for s in targets]
for name in weights:
    axes.plot(targets, [100 * shares[name] for shares in zeros], label=name)
axes.set_xlabel("target s, average sparsity of all rows of all layers")
axes.set_ylabel("zeros, %")
axes.legend(frameon=False)
plt.show()
