"""Images and coefficients on several machines; the rest of core does without it."""
