"""One HTML page of a run or of a comparison, which needs no other file and no network."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from agents.evaluation import plots
from agents.evaluation.comparison import Comparison
from agents.evaluation.curves import (
    PROFILE_POINTS,
    Curve,
    adaptation_curve,
    learning_curve,
    profile_curve,
    read_metric,
)
from agents.evaluation.statistics import (
    Interval,
    bootstrap_interval,
    interquartile_mean,
    mean,
    probability_of_improvement,
)
from agents.whole_file import write_whole

__all__ = ["report_page", "write_report"]

REPORT_SEED = 0
"""Of the bootstrap: the same tables give the same page."""
STRIP = "trial.png"
LARGEST_STRIP = 400_000
"""Bytes of a run's picture that is taken into the page; all of it stays below 5 MB."""
MOST_STRIPS = 6

STYLE = """
:root { color-scheme: light; }
body { margin: 0 auto; max-width: 46rem; padding: 1.2rem 1rem 3rem; color: #1c1c1c;
  background: #fff; font: 16px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
h1 { font-size: 1.45rem; line-height: 1.25; margin: 0 0 .4rem; overflow-wrap: anywhere; }
h2 { font-size: 1.12rem; margin: 2rem 0 .4rem; }
p { margin: .4rem 0; }
.note { color: #555; font-size: .9rem; }
figure { margin: .6rem 0; }
figure img { width: 100%; height: auto; display: block; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem .3rem 0; text-align: right; border-bottom: 1px solid #ddd;
  white-space: nowrap; }
th:first-child, td:first-child { text-align: left; white-space: normal; min-width: 4.5rem; }
thead th { border-bottom: 2px solid #999; vertical-align: bottom; white-space: normal; }
.interval { color: #666; display: block; font-size: .8rem; }
code { font-size: .86em; overflow-wrap: anywhere; }
summary { cursor: pointer; }
"""


def write_report(path: Path, comparison: Comparison, from_episode: int | None = None) -> None:
    """Write :func:`report_page` to a file, whole or not at all; OSError where that fails."""
    page = report_page(comparison, from_episode)
    try:
        write_whole(path, page)
    except OSError as error:
        raise OSError(f"The page cannot be written: {error}. Choose another --out.") from error


def report_page(comparison: Comparison, from_episode: int | None = None) -> str:
    """The page as text.

    Args:
        comparison: Of one run or of several.
        from_episode: The score is the mean return of the episodes from this one (1, 2, ...) on;
            None is the last alone.

    Raises:
        ValueError: There is no such episode.
    """
    rng = np.random.default_rng(REPORT_SEED)
    scores = {label: agent.scores(from_episode) for label, agent in comparison.agents.items()}
    last = comparison.num_episodes
    first = last if from_episode is None else from_episode
    counted = f"episode {last}" if first == last else f"episodes {first} to {last}"
    short_id = comparison.family.split("/")[-1]
    sections = [
        f"<h1>{html.escape(' and '.join(comparison.folders))} on {html.escape(short_id)}</h1>",
        _what_was_done(comparison, counted),
        "<h2>Scores</h2>",
        _score_table(comparison, scores, rng),
        "<h2>Adaptation</h2>",
        *_adaptation(comparison, rng),
        "<h2>Who is better</h2>",
        _improvement_table(scores, rng),
        "<h2>Spread of the scores</h2>",
        _profiles(scores, rng),
        *_learning(comparison, rng),
        *_strips(comparison),
        "<h2>How to read the intervals</h2>",
        _about_intervals(),
        "<h2>Settings</h2>",
        _settings(comparison),
    ]
    title = html.escape(f"{' and '.join(comparison.folders)} on {short_id}")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(sections)
        + "\n</body>\n</html>\n"
    )


def _what_was_done(comparison: Comparison, counted: str) -> str:
    fewest, most = comparison.num_rollouts
    rollouts = f"{fewest}" if fewest == most else f"{fewest} to {most}"
    seeds = ", ".join(
        f"{html.escape(label)}: {_count(len(folders), 'training seed')}"
        for label, folders in comparison.folders.items()
    )
    return (
        f"<p>{_count(comparison.num_tasks, 'task')} of split "
        f"<code>{html.escape(comparison.split)}</code> of "
        f"<code>{html.escape(comparison.family)}</code>, "
        f"{rollouts} parallel {'try' if most == 1 else 'tries'} of each, trials of "
        f"{_count(comparison.num_episodes, 'episode')}. {seeds}.</p>"
        f"<p>The <b>score</b> of a run on a task is its mean return in {counted} of the trial.</p>"
    )


def _score_table(
    comparison: Comparison,
    scores: dict[str, npt.NDArray[np.float64]],
    rng: np.random.Generator,
) -> str:
    lines = []
    for label, agent in comparison.agents.items():
        start = bootstrap_interval([agent.returns[:, :, 0]], mean, rng=rng)
        middle = bootstrap_interval([scores[label]], interquartile_mean, rng=rng)
        average = bootstrap_interval([scores[label]], mean, rng=rng)
        lines.append(
            [html.escape(label), str(len(agent.runs)), *map(_cell, (middle, average, start))]
        )
    heads = ("agent", "runs", "interquartile mean", "mean", "mean return, episode 1")
    return _table(heads, lines) + (
        '<p class="note">The interquartile mean is that of the middle half of all scores: a few '
        "lucky or hopeless ones do not move it.</p>"
    )


def _adaptation(comparison: Comparison, rng: np.random.Generator) -> Iterable[str]:
    curves = {label: adaptation_curve(agent, rng) for label, agent in comparison.agents.items()}
    figure = plots.adaptation_figure(curves, "mean return by episode, 95 % intervals")
    yield _figure(plots.svg(figure), "Mean return of each episode of the trial, by agent.")
    heads = ("agent", *(f"episode {k + 1}" for k in range(comparison.num_episodes)))
    yield _table(
        heads,
        [
            [
                html.escape(label),
                *(
                    _cell(Interval(*values))
                    for values in zip(curve.y, curve.low, curve.high, strict=True)
                ),
            ]
            for label, curve in curves.items()
        ],
    )


def _improvement_table(scores: dict[str, npt.NDArray[np.float64]], rng: np.random.Generator) -> str:
    lines = []
    for label, mine in scores.items():
        line = [html.escape(label)]
        for other, theirs in scores.items():
            line.append(
                "-"
                if other == label
                else _cell(bootstrap_interval([mine, theirs], probability_of_improvement, rng=rng))
            )
        lines.append(line)
    return _table(("beats", *map(html.escape, scores)), lines) + (
        '<p class="note">Probability that a run of the agent on the left scores more than a run of '
        "the agent above on the same task; a tie counts half. At 0.5 neither is better.</p>"
    )


def _profiles(scores: dict[str, npt.NDArray[np.float64]], rng: np.random.Generator) -> str:
    lowest = min(float(mine.min()) for mine in scores.values())
    highest = max(float(mine.max()) for mine in scores.values())
    margin = 0.02 * (highest - lowest)
    # Few scores differ where returns are counts: steps then stand exactly where they belong.
    distinct = np.unique(np.concatenate([mine.ravel() for mine in scores.values()]))
    inside = (
        distinct
        if len(distinct) <= PROFILE_POINTS
        else np.linspace(lowest, highest, PROFILE_POINTS)
    )
    thresholds = np.array([lowest - margin, *inside, highest + margin])
    curves = {label: profile_curve(mine, thresholds, rng) for label, mine in scores.items()}
    figure = plots.profile_figure(curves, "performance profiles, pointwise 95 % intervals")
    return _figure(plots.svg(figure), "Share of runs and tasks whose score is above a threshold.")


def _learning(comparison: Comparison, rng: np.random.Generator) -> Iterable[str]:
    curves: dict[str, Curve] = {}
    for label, paths in comparison.metrics.items():
        episodes = comparison.settings[label]["episodes_per_trial"]
        column = f"train/return_episode_{episodes}"
        curves[label] = learning_curve([read_metric(path, column) for path in paths], rng)
    if not curves:
        return
    yield "<h2>Learning</h2>"
    figure = plots.learning_figure(curves, "training tasks, 95 % intervals over seeds")
    yield _figure(plots.svg(figure), "Return while training, against environment steps.")
    if any(len(paths) == 1 for paths in comparison.metrics.values()):
        yield '<p class="note">A line without a band is of one seed.</p>'


def _strips(comparison: Comparison) -> Iterable[str]:
    shown = 0
    for label, folders in comparison.folders.items():
        path = folders[0] / STRIP
        fits = path.exists() and path.stat().st_size <= LARGEST_STRIP
        if not fits or shown == MOST_STRIPS:
            continue
        if not shown:
            yield "<h2>A trial</h2>"
        shown += 1
        data = base64.b64encode(path.read_bytes()).decode()
        yield (
            f'<div class="scroll"><figure><img style="min-width: 34rem" alt="A trial of '
            f'{html.escape(label)}" src="data:image/png;base64,{data}"></figure></div>'
            f'<p class="note">{html.escape(label)}, run <code>{html.escape(str(folders[0]))}</code>'
            ", on the task of this split where its last episode is the median one.</p>"
        )


def _about_intervals() -> str:
    return (
        "<p>Intervals hold the middle 95 % of 2,000 bootstrap resamples (500 in the profiles). A "
        "resample draws runs with replacement, each with all of its tasks, and tasks with "
        "replacement, the same for all agents: it stands for other training seeds and other tasks "
        "of the split. Tries of one task are averaged first, since they are no other tasks.</p>"
        "<p>With one run of an agent its interval speaks of other tasks only, and with few runs "
        "it is too narrow: two agents with one seed each cannot be told apart by it.</p>"
    )


def _settings(comparison: Comparison) -> str:
    parts = []
    for label, settings in comparison.settings.items():
        rows = [[html.escape(name), html.escape(str(value))] for name, value in settings.items()]
        runs = "".join(
            f"<li><code>{html.escape(str(folder))}</code></li>"
            for folder in comparison.folders[label]
        )
        parts.append(
            f"<details><summary>{html.escape(label)}</summary><ul>{runs}</ul>"
            f"{_table(('setting', 'value'), rows)}</details>"
        )
    return "\n".join(parts)


def _figure(picture: str, caption: str) -> str:
    # As an image of its own: names inside an SVG would clash with those of the next.
    data = base64.b64encode(picture.encode()).decode()
    return (
        f'<figure><img alt="{html.escape(caption)}" src="data:image/svg+xml;base64,{data}">'
        "</figure>"
    )


def _table(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{text}</th>" for text in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{text}</td>" for text in line) + "</tr>" for line in lines
    )
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _cell(interval: Interval) -> str:
    return (
        f"{interval.estimate:.3f}"
        f'<span class="interval">{interval.low:.3f} to {interval.high:.3f}</span>'
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
