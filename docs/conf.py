"""Sphinx configuration; the environments' pages are made from their docstrings."""

from __future__ import annotations

import importlib
import inspect
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

import metaenvs  # noqa: E402

project = "metaenvs"
release = metaenvs.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
exclude_patterns = ["_build"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"


def write_environment_pages(app: object) -> None:
    """One page and one picture per family, from the class's docstring and its renderer."""
    import gymnasium as gym
    from locomotion_pages import write_locomotion_pages
    from PIL import Image

    from metaenvs.registration import IDS

    folder = HERE / "environments"
    folder.mkdir(exist_ok=True)
    for entry_point in dict.fromkeys(entry for entry, _ in IDS.values()):
        module, name = entry_point.split(":")
        env_class = getattr(importlib.import_module(module), f"{name}Env")
        ids = [env_id for env_id, (entry, _) in IDS.items() if entry == entry_point]
        env = gym.make(ids[0], render_mode="rgb_array")
        env.reset(seed=3)
        env.action_space.seed(3)
        for _ in range(6):
            _, _, terminated, truncated, _ = env.step(env.action_space.sample())
            if terminated or truncated:
                break
        Image.fromarray(env.render()).save(folder / f"{name}.png")
        manual = inspect.getdoc(env_class) or ""
        listed = "\n".join(f"- `{env_id}`" for env_id in ids)
        text = f"# {name}\n\n![A picture of {name}]({name}.png)\n\n{listed}\n\n{manual}\n"
        (folder / f"{name}.md").write_text(text)
    write_locomotion_pages(folder)


def setup(app: object) -> None:
    """Make the pages before Sphinx reads them."""
    app.connect("builder-inited", write_environment_pages)  # type: ignore[attr-defined]
