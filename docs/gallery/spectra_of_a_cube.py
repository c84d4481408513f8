"""Three materials in a noisy cube: their spectra, and where each is."""

import matplotlib.pyplot as plt
import numpy as np

import gsp_studio as gs

rng = np.random.default_rng(0)
bands = np.linspace(0, 1, 60)
peaks = (((0.2, 0.05), (0.7, 0.08)), ((0.45, 0.04),), ((0.3, 0.12), (0.85, 0.04)))
spectra = np.array([sum(np.exp(-(((bands - at) / width) ** 2)) for at, width in of) for of in peaks])

rows, columns = np.mgrid[:40, :50]
abundance = np.stack(
    [
        np.exp(-((rows - 12) ** 2 + (columns - 14) ** 2) / 80),  # a grain
        np.exp(-((rows - 26) ** 2 + (columns - 34) ** 2) / 110),  # another one
        0.4 + 0.4 * np.sin(columns / 8),  # a layer under both
    ]
)
cube = np.tensordot(abundance, spectra, (0, 0)) + 0.02 * rng.standard_normal((40, 50, 60))
X = np.maximum(cube, 0).reshape(-1, 60).T  # a column is the spectrum of a pixel

# Sparse maps, not sparse spectra: a target for the coefficients. nndsvdar starts well on data of low rank.
params = gs.Params(rank=3, method="ahals", sparsity_h=0.35, init="nndsvdar", max_iter=200)
result = gs.factorize(X, params)

figure, axes = plt.subplots(2, 3, figsize=(8, 3.8))
for k, (above, below) in enumerate(axes.T):
    above.plot(bands, result.W[:, k] / result.W[:, k].max())
    above.set_title(f"spectrum {k + 1}", fontsize=9)
    above.set_yticks([])
    below.imshow(result.H[k].reshape(40, 50), cmap="magma")
    below.set_axis_off()
plt.show()
