"""The front door of batches: many scenes, one recipe, one folder."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from glance3d.batches.ledger.event_folder import Ledger
from glance3d.batches.ledger.owners import LEASE_SECONDS, Heart, Owner, Watch
from glance3d.batches.manifest import read_manifest
from glance3d.batches.resume import Again, refuse_company, take_up
from glance3d.batches.run import BatchRun
from glance3d.batches.scenes import BatchScene, refuse_duplicates, refuse_number
from glance3d.batches.summary import BatchSummary, claim_summary, write_summary
from glance3d.batches.workers.pool import Pool
from glance3d.batches.workers.process_pool import ProcessPool
from glance3d.batches.workers.tasks import Outcome
from glance3d.errors import InputError
from glance3d.files.atomic import errors_named
from glance3d.models import ModelSource
from glance3d.pipeline import SceneRecipe
from glance3d.text import counted, visible_text

logger = logging.getLogger(__name__)
_SHORTEST_LEASE = 10.0


@dataclass(frozen=True)
class BatchOptions:
    """How the work is shared and what is done again.

    ``worker``: other workers may be at work on the same folder. ``ray``: the address of a cluster
    ("auto", "local", HOST:PORT); ``num_workers`` of it, by default one a GPU, or one a machine.
    ``lease_seconds``: without a sign of life for so long, a worker counts as lost.

    Raises:
        InputError: these cannot be combined.
    """

    worker: bool = False
    ray: str | None = None
    num_workers: int | None = None
    again: Again = field(default_factory=Again)
    overwrite: bool = False
    lease_seconds: float = LEASE_SECONDS

    def __post_init__(self) -> None:
        """Refuse contradictions."""
        if self.num_workers is not None and self.ray is None:
            raise InputError("a number of workers is an option of Ray: give its address as well")
        if self.num_workers is not None and self.num_workers < 1:
            raise InputError(f"the number of workers must be at least 1, got {self.num_workers}")
        if not self.lease_seconds >= _SHORTEST_LEASE:
            raise InputError(
                f"a lease must be at least {_SHORTEST_LEASE:g} seconds, got {self.lease_seconds}"
            )


def batch(
    scenes: str | Path | Mapping[str, str | Path | Sequence[str | Path]],
    out: str | Path,
    *,
    model: str | Path = "glance-small",
    weights: str | Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    recipe: SceneRecipe | Mapping[str, SceneRecipe] | None = None,
    worker: bool = False,
    ray: str | None = None,
    num_workers: int | None = None,
    retry: bool = False,
    redo: bool = False,
    overwrite: bool = False,
    progress: bool = False,
) -> BatchSummary:
    """Many scenes, each in a folder of its own below ``out``; called again, it goes on.

    A scene that fails is tried three times in all and then set aside; the others go on. The network
    is loaded once, in a process of its own.

    Args:
        scenes: A folder whose folders and clips are scenes; a file of JSON lines without
            ``"options"`` (see :mod:`glance3d.batches.manifest`); or photos by the names of scenes.
        out: The folder of all results. ``batch.json`` there is the summary.
        model: A known model's name or a weights file; ``weights``, ``device`` and ``precision`` as
            for :func:`glance3d.reconstruct`.
        recipe: What is done with the photos, of all scenes or by their names.
        worker: Share the scenes with other workers that use the same folder.
        ray: The address of a Ray cluster ("auto", "local", HOST:PORT) that makes the scenes.
        num_workers: Of the cluster; by default one a GPU, or one a machine where there is none.
        retry: Try scenes again that were set aside.
        redo: Make scenes again that are done, if their photos or options have changed.
        overwrite: Replace files that Glance3D did not write.
        progress: Show a progress bar on stderr.

    Returns:
        What became of each scene.

    Raises:
        Glance3DError: the list, an option or the folder cannot be used, or the network cannot be
            loaded. A scene that cannot be made raises nothing.
    """
    recipes = recipe if isinstance(recipe, Mapping) else {}
    default = recipe if isinstance(recipe, SceneRecipe) else SceneRecipe()
    listed = [
        BatchScene(name, sources, recipes.get(name, default))
        for name, sources in _listed(scenes, out)
    ]
    options = BatchOptions(worker, ray, num_workers, Again(retry, redo), overwrite)
    source = ModelSource(model, weights, device, precision)
    return run_batch(listed, Path(out), source, options, progress=progress)


def _listed(
    scenes: str | Path | Mapping[str, str | Path | Sequence[str | Path]], out: str | Path
) -> list[tuple[str, tuple[str, ...]]]:
    if isinstance(scenes, Mapping):
        lists = {
            name: (photos,) if isinstance(photos, str | Path) else photos
            for name, photos in scenes.items()
        }
        return [(name, tuple(map(str, photos))) for name, photos in lists.items()]
    content = read_manifest(scenes, out=out)
    for entry in content.entries:
        if entry.options:
            raise InputError(
                f'"options" in {entry.where} are words of the command line: run glance3d batch, or '
                "give recipe= by the names of scenes"
            )
    for note in content.notes:
        logger.info(note)
    return [(entry.name, entry.sources) for entry in content.entries]


def run_batch(
    scenes: Sequence[BatchScene],
    out: Path,
    source: ModelSource,
    options: BatchOptions,
    *,
    progress: bool = False,
) -> BatchSummary:
    """Make all scenes that are not made yet; as :func:`batch`, which packs its arguments once."""
    names = [scene.name for scene in scenes]
    refuse_number(names, "the list")
    refuse_duplicates((name, f"scene {number}") for number, name in enumerate(names, start=1))
    if not isinstance(source.name, str | Path):
        raise InputError("a batch loads the network itself: give a name or a file of weights")
    with errors_named(out):
        out.mkdir(parents=True, exist_ok=True)
    claim_summary(out, options.overwrite)
    ledger = Ledger(out, lease_seconds=options.lease_seconds)
    ledger.open()
    if not options.worker:
        refuse_company(scenes, out, ledger)
    owner = Owner.this()
    watch = Watch(ledger.beats, options.lease_seconds)
    watch.sweep()
    with Heart(ledger.beats, owner, options.lease_seconds):
        changes = take_up(scenes, out, ledger, owner, source, options.again)
        with _shown(scenes, ledger, progress) as on_outcome:
            BatchRun(
                scenes,
                out,
                ledger,
                owner,
                watch,
                _pool(source, options),
                overwrite=options.overwrite,
                is_shared=options.worker,
                on_outcome=on_outcome,
            ).run()
        return write_summary(names, out, ledger, changes, options.overwrite)


def _pool(source: ModelSource, options: BatchOptions) -> Pool:
    if options.ray is None:
        return ProcessPool(source)
    from glance3d.batches.workers.ray_pool import RayPool

    return RayPool(source, options.ray, options.num_workers)


@contextmanager
def _shown(scenes: Sequence[BatchScene], ledger: Ledger, progress: bool) -> Iterator:
    """A line for each scene that comes out, and a bar of those that need no more work."""
    total = len(scenes)

    def num_final() -> int:
        return sum(ledger.state(scene.name).is_final for scene in scenes)

    with tqdm(total=total, desc="scenes", unit="scene", disable=not progress) as bar:
        bar.update(num_final() - bar.n)

        def on_outcome(outcome: Outcome) -> None:
            bar.update(num_final() - bar.n)
            bar.set_postfix_str(visible_text(outcome.name))
            with tqdm.external_write_mode():
                logger.info(
                    "%d of %d: %s %s", num_final(), total, visible_text(outcome.name), said(outcome)
                )

        yield on_outcome


def said(outcome: Outcome) -> str:
    """An outcome in a line."""
    if outcome.kind != "done":
        return f"failed after {outcome.seconds:.1f} s: {outcome.reason}"
    photos, held = outcome.result.get("photos", 0), outcome.result.get("held")
    kept = "" if held is None else f", {held} held"
    return f"is done: {counted(photos, 'photo')}{kept}, {outcome.seconds:.1f} s"
