"""Data sets in, figures and factors out."""

from gsp_studio.io.resources import resource_path, sample_path

__all__ = ["resource_path", "sample_path"]
