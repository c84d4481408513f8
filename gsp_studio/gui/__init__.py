"""The window: the only floor that knows Qt."""

from gsp_studio.gui.overrides import guard_overrides

guard_overrides()  # before a class of this floor, or of a library for it, is made
