"""The mathematics; reads like the paper."""
