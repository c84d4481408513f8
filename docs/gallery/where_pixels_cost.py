"""Weights: the same target, with pixels at the border that cost more."""

import matplotlib.pyplot as plt

import gsp_studio as gs
from gsp_studio.core.weighting import centre
from gsp_studio.io import sample_path

data = gs.load_dataset(sample_path("faces"))
X = data.X[:, ::4]
weights = centre(data.image_shape)  # low there, high at the border

figure, axes = plt.subplots(2, 9, figsize=(8, 2.2))
runs = {
    "all pixels alike": gs.Params(rank=9, sparsity=0.8, seed=0, max_iter=80),
    "the border costs more": gs.Params(rank=9, method="wgsphals", weights=weights.ravel(), sparsity=0.8, max_iter=80),
}
for row, (title, params) in zip(axes, runs.items(), strict=True):
    result = gs.factorize(X, params)
    row[0].set_title(title, loc="left", fontsize=9)
    for place, image in zip(row, data.as_images(result.W), strict=True):
        place.imshow(image, cmap="gray", vmin=0)
        place.set_axis_off()
plt.show()
