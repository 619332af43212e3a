"""The stages of a job in their order, and what share of its time each takes, about."""

from dataclasses import dataclass, field

from glance3d.progress import Progress
from glance3d.service.jobs.records import JobProgress

# Shares of a job of a dozen photos on a processor.
_PLAIN = {
    "unpack": 2,
    "load_model": 10,
    "load_images": 8,
    "predict": 50,
    "to_scene": 2,
    "write": 28,
}
_REFINED = {
    "unpack": 1,
    "load_model": 3,
    "load_images": 3,
    "predict": 15,
    "to_scene": 1,
    "register": 35,
    "assemble": 2,
    "align_depth": 1,
    "densify": 25,
    "consistency": 2,
    "trust": 2,
    "write": 10,
}
# The bar of a stage's own steps; other bars within it say too little of the whole.
_BARS = {
    "load_images": "photos",
    "predict": "network",
    "register": "photos",
    "densify": "measuring depth",
    "write": "writing",
}


@dataclass
class StageProgress:
    """What a job's process tells, as one share that never falls."""

    refine: bool
    now: JobProgress = field(default_factory=JobProgress)

    def after(self, told: Progress) -> JobProgress:
        """How far the job is once this was told."""
        shares = _REFINED if self.refine else _PLAIN
        stage, done, total = self.now.stage, told.done, told.total
        if told.is_stage or told.what == _BARS["write"]:
            stage = "write" if told.what == _BARS["write"] else told.what
        elif told.what not in ("windows", _BARS.get(stage)):
            return self.now
        if stage not in shares:
            return self.now
        names = list(shares)
        before = sum(shares[name] for name in names[: names.index(stage)])
        within = min(1.0, done / total) if total else 0.0
        share = (before + within * shares[stage]) / sum(shares.values())
        self.now = JobProgress(stage, done, total, round(max(share, self.now.share), 4))
        return self.now
