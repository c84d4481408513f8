"""The same faces at four sparsities: from whole faces to brows, mouths and chins."""

import matplotlib.pyplot as plt
import numpy as np

import gsp_studio as gs
from gsp_studio.io import sample_path

data = gs.load_dataset(sample_path("faces"))
X = data.X[:, ::8]  # 250 of the 2,000 images

figure = plt.figure(figsize=(8, 3.4))
for strip, s in zip(figure.subfigures(4, 1), (0.0, 0.6, 0.75, 0.85), strict=True):
    result = gs.factorize(X, gs.Params(rank=25, sparsity=s, init="nndsvdar", max_iter=60))
    energy = np.linalg.norm(result.W, axis=0) * np.linalg.norm(result.H, axis=1)
    largest = np.argsort(-energy)[:13]  # of the 25
    words = f"s = {result.sparsity:.2f}, error {100 * result.error:.1f} %"
    strip.suptitle(words, x=0.01, ha="left", fontsize=9)
    for place, image in zip(strip.subplots(1, 13), data.as_images(result.W[:, largest]), strict=True):
        place.imshow(image, cmap="gray", vmin=0)
        place.set_axis_off()
plt.show()
