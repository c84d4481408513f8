"""Parts as features: digits, and the classes that use each part."""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import gsp_studio as gs

images, labels = load_digits(return_X_y=True)
model = gs.SparseNMF(n_components=16, sparsity=0.7, random_state=0, max_iter=100)
parts_used = model.fit_transform(images)  # (images, parts)

figure = plt.figure(figsize=(8, 3))
left, right = figure.subfigures(1, 2)
for place, part in zip(left.subplots(4, 4).flat, model.components_, strict=True):
    place.imshow(part.reshape(8, 8), cmap="gray")
    place.set_axis_off()
axes = right.subplots()
share = np.array([parts_used[labels == digit].mean(axis=0) for digit in range(10)])
axes.imshow(share / share.max(axis=0), cmap="magma", aspect="auto")
axes.set_xlabel("part")
axes.set_ylabel("digit")
axes.set_yticks(range(10))
plt.show()
