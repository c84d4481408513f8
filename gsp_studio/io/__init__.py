"""Data sets in, figures and factors out."""
