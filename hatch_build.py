"""Links of the project for its metadata, all relative to the one address in pyproject.toml."""

from __future__ import annotations

from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

PAPER = "https://openreview.net/forum?id=jIrOeWjdpc"


def project_urls(repository: str) -> dict[str, str]:
    """Links by name; without a repository only that of the paper."""
    home = repository.rstrip("/")
    if not home:
        return {"Paper": PAPER}
    return {
        "Source": home,
        "Documentation": f"{home}/blob/main/docs/index.md",
        "Issues": f"{home}/issues",
        "Changelog": f"{home}/blob/main/CHANGELOG.md",
        "Paper": PAPER,
    }


class ProjectLinks(MetadataHookInterface):
    """Metadata hook of hatchling."""

    def update(self, metadata: dict[str, Any]) -> None:
        metadata["urls"] = project_urls(self.config["repository"])
