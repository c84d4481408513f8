"""Weights: one basis, projected to the same target with all pixels alike, and where the border costs more."""

import matplotlib.pyplot as plt
import numpy as np

import gsp_studio as gs
from gsp_studio.core.weighting import centre
from gsp_studio.io import sample_path

data = gs.load_dataset(sample_path("faces"))
basis = gs.factorize(data.X[:, ::4], gs.Params(rank=9, method="ahals", seed=0, max_iter=60)).W
weights = centre(data.image_shape).ravel()  # low in the centre, high at the border

rows = {
    "as it was found": basis,
    "s = 0.75, all pixels alike": gs.group_sparse_projection(basis, 0.75).values,
    "weighted s = 0.75, the border costs more": gs.group_sparse_projection(basis, 0.75, weights).values,
}
figure = plt.figure(figsize=(8, 3.6))
for strip, (title, images) in zip(figure.subfigures(3, 1), rows.items(), strict=True):
    strip.suptitle(title, x=0.01, ha="left", fontsize=9)
    for place, image in zip(strip.subplots(1, 9), data.as_images(np.asarray(images)), strict=True):
        place.imshow(image, cmap="gray", vmin=0)
        place.set_axis_off()
plt.show()
