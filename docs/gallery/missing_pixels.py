"""Dead pixels in every image, filled in by the fit."""

import matplotlib.pyplot as plt
import numpy as np

import gsp_studio as gs
from gsp_studio.io import sample_path

data = gs.load_dataset(sample_path("faces"))
X = data.X[:, ::8]
missing = np.random.default_rng(0).random(X.shape) < 0.3  # three of ten, others in each image

result = gs.factorize(X, gs.Params(rank=16, sparsity=0.7, seed=0, max_iter=60), mask=missing)
filled = np.where(missing, result.W @ result.H, X)
error = np.linalg.norm((filled - X)[missing]) / np.linalg.norm(X[missing])

figure = plt.figure(figsize=(8, 3.8))
rows = {"seen": np.where(missing, 0, X), f"filled, error {100 * error:.0f} %": filled, "true": X}
for strip, (title, images) in zip(figure.subfigures(3, 1), rows.items(), strict=True):
    strip.suptitle(title, x=0.01, ha="left", fontsize=9)
    for place, image in zip(strip.subplots(1, 8), data.as_images(np.asarray(images)[:, :8]), strict=True):
        place.imshow(image, cmap="gray", vmin=0, vmax=1)
        place.set_axis_off()
plt.show()
