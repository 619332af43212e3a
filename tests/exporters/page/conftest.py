"""A scene with all that a page can show."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from glance3d.exporters import export
from glance3d.types import Reconstruction, Report, ViewTrust
from tests.exporters.analytic import build_scene, with_measured_points


@pytest.fixture(scope="session")
def refined(tmp_path_factory: pytest.TempPathFactory) -> Reconstruction:
    """A scene with all that a page can show: measured points and depth, verdicts, warnings."""
    scene = with_measured_points(build_scene(tmp_path_factory.mktemp("refined")), noise=0.3)
    verdicts = ("good", "good", "weak", "unsupported")
    trust = tuple(
        ViewTrust("bundle adjustment", 200, 0.2, 0.5, 0.9, verdict, f"it is {verdict}")
        for verdict in verdicts
    )
    rows = torch.arange(scene.mask.shape[1])[:, None].expand_as(scene.mask[0])
    columns = torch.arange(scene.mask.shape[2]).expand_as(scene.mask[0]).float()
    return replace(
        scene,
        confidence=columns.expand_as(scene.depth).clone() + 1,
        measured=(rows > 40).expand_as(scene.mask).clone(),
        trust=trust,
        report=Report.from_json(
            {
                "warnings": ["a warning in plain words"],
                "times": {"predict": 1.5, "refine": 20.0, "total": 21.5},
                "model": {
                    "name": "analytic",
                    "weights": {"licence": "CC0", "commercial_use": True},
                },
            }
        ),
    )


@pytest.fixture(scope="session")
def refined_page(refined: Reconstruction, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "scene.html"
    return export(refined, path, max_points=8000)[0]  # drawn without a graphics card
