"""One verdict a photo, with its reason: how far its camera and depth can be trusted.

A verdict rests on measurements alone: tracks that the photos share, how far they miss, under which
angle they are seen, and whether the depth map fits them. What a network is confident of is no
evidence.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from glance3d.text import counted
from glance3d.trust.evidence import ViewEvidence
from glance3d.trust.track_quality import TrackQuality, measure_tracks
from glance3d.types import VERDICTS, Reconstruction, ViewTrust

UNSUPPORTED, WEAK, GOOD = VERDICTS

#: Six numbers of a pose, twice over: fewer tracks do not hold a camera against one wrong match.
MIN_TRACKS = 12
#: As COLMAP asks of a photo by default: with fewer, a handful of alike-looking details may do it.
FEW_TRACKS = 30
#: Two-view geometry finds so many agreeing matches by chance (COLMAP's own limit).
MIN_MATCHES = 15
#: Degrees. Below, a point's distance is uncertain by more than a tenth for errors of a pixel.
MIN_PARALLAX = 1.0
#: Pixels at a diagonal of 1000; features are found to well below one.
LARGE_ERROR = 1.5
#: Pixels, likewise, from epipolar lines, over all matches with the wrong ones among them.
AGREEING_ERROR = 2.0
CONTRADICTING_ERROR = 5.0
#: Tracks in fewer than 3 of 16 cells hold a camera at a corner, and let it swing.
MIN_COVERAGE = 3 / 16
#: A photo is textureless if less of it than this has anything to match.
MIN_TEXTURE = 0.05
#: Nearly all of a view's pairs: one wrong pair must not look like parallax.
NEARLY_ALL = 0.95
#: A depth map that fits fewer of its tracks than a quarter is wrong, below two thirds doubtful.
WRONG_DEPTH = 0.25
DOUBTFUL_DEPTH = 2 / 3
#: Views that hold each other without most of the scene may well be mistaken together.
MOST_OF_THE_SCENE = 0.5


@dataclass(frozen=True)
class _Case:
    """Everything about one view; ``unit`` is what a pixel is worth at this size of photo.

    ``num_held`` views of the scene's main part are held by tracks. ``projection`` is the photo's
    where it is not a pinhole's.
    """

    names: tuple[str, ...]
    evidence: ViewEvidence
    tracks: TrackQuality
    unit: float
    num_held: int = 0
    projection: str | None = None

    @property
    def is_guess(self) -> bool:
        return self.evidence.registered_by in ("network", "similarity")

    @property
    def kept(self) -> str:
        """Where the pose of a guess comes from."""
        moved = (
            ", moved to where the others are" if self.evidence.registered_by != "network" else ""
        )
        return f"the pose is the network's guess{moved}"

    @property
    def twin(self) -> str:
        assert self.evidence.same_as is not None
        return self.names[self.evidence.same_as]


Verdict = tuple[str, str] | None


def judge(
    scene: Reconstruction, evidence: Sequence[ViewEvidence] | None = None
) -> tuple[ViewTrust, ...]:
    """One verdict a view, from the scene's tracks and depth and what registration knows.

    Without ``evidence`` nobody has checked anything: every view is unsupported, and says so.
    """
    measured = measure_tracks(scene)
    unit = scene.cameras.pixel_unit
    num_held = sum(
        tracks.num_tracks >= MIN_TRACKS
        and not (evidence is not None and evidence[view].registered_by == "component")
        for view, tracks in enumerate(measured)
    )
    trust = []
    for view, tracks in enumerate(measured):
        own = None if evidence is None else evidence[view]
        projection = scene.metadata[view].projection if scene.metadata else None
        case = _Case(scene.names, own or ViewEvidence(), tracks, unit, num_held, projection)
        verdict, reason = _unchecked(scene) if own is None else _verdict(case)
        trust.append(
            ViewTrust(
                case.evidence.registered_by,
                tracks.num_tracks,
                tracks.median_error,
                tracks.p90_error,
                tracks.depth_agreement,
                verdict,
                reason,
            )
        )
    return tuple(trust)


def _unchecked(scene: Reconstruction) -> tuple[str, str]:
    if scene.num_views == 1:
        return UNSUPPORTED, "one photo alone: nothing can confirm its camera or its depth"
    return UNSUPPORTED, "no check was made: refine to know"


def _verdict(case: _Case) -> tuple[str, str]:
    """The first rule that has something to say decides."""
    rules = _RULES_FOR_GUESSES if case.is_guess else _RULES_FOR_HELD
    for rule in rules:
        verdict = rule(case)
        if verdict is not None:
            return verdict
    return _good(case)


# Views whose pose was kept or moved from the network's guess.


def _alone(case: _Case) -> Verdict:
    if len(case.names) == 1:
        return UNSUPPORTED, "one photo alone: nothing can confirm its camera or its depth"
    return None


def _textureless(case: _Case) -> Verdict:
    share = case.evidence.texture
    if share is None or share >= MIN_TEXTURE or case.evidence.num_matches >= FEW_TRACKS:
        return None
    photo = "a dark photo" if case.evidence.is_dark else "the photo"
    return UNSUPPORTED, f"hardly any texture ({share:.0%} of {photo}): nothing to match"


def _same_picture(case: _Case) -> Verdict:
    if case.evidence.same_as is None or case.evidence.matches_others:
        return None
    return UNSUPPORTED, f"the same picture as {case.twin}, and no other photo matches it"


def _nothing_in_common(case: _Case) -> Verdict:
    if case.evidence.num_matches >= MIN_MATCHES:
        return None
    return (
        UNSUPPORTED,
        "nothing in common with the other photos: something else, or too little overlap",
    )


def _few_matches(case: _Case) -> Verdict:
    if case.evidence.num_matches >= FEW_TRACKS:
        return None
    dark = "the photo is dark: " if case.evidence.is_dark else ""
    return UNSUPPORTED, f"{dark}only {case.evidence.num_matches} matches: {case.kept}"


def _flat(case: _Case) -> Verdict:
    if case.evidence.flat_share < NEARLY_ALL:
        return None
    seen = "that the camera only turned"
    if case.evidence.pure_rotation_share < NEARLY_ALL:
        seen = f"a plane, or {seen}"
    return WEAK, f"no parallax: its matches show {seen}; {case.kept}"


def _guess_by_matches(case: _Case) -> Verdict:
    error, count = case.evidence.epipolar_after, case.evidence.num_matches
    if error is None:
        return UNSUPPORTED, case.kept
    if error <= AGREEING_ERROR * case.unit:
        return WEAK, f"{case.kept}; {count} matches agree with it to {error:.1f} px"
    return UNSUPPORTED, f"{case.kept}; {count} matches contradict it by {error:.1f} px"


# Views whose pose was measured, or given.


def _contradicted(case: _Case) -> Verdict:
    if not case.evidence.contradicted:
        return None
    if case.evidence.registered_by == "known":
        return UNSUPPORTED, "the pose that was given contradicts what the photos show"
    return WEAK, (
        "the pose that was given contradicts what the photos show: placed by its "
        f"{case.tracks.num_tracks} tracks instead"
    )


def _no_pinhole(case: _Case) -> Verdict:
    if case.projection is None:
        return None
    return WEAK, (
        f"{case.projection}, and not a pinhole camera's picture, as refinement takes it: camera "
        "and depth cannot be right"
    )


def _not_held(case: _Case) -> Verdict:
    count = case.tracks.num_tracks
    if count >= MIN_TRACKS:
        return None
    if case.evidence.registered_by == "known":
        return WEAK, f"the pose was given; with {count} tracks nothing checks it"
    return UNSUPPORTED, f"only {count} tracks hold it"


def _hardly_held(case: _Case) -> Verdict:
    if case.tracks.num_tracks >= FEW_TRACKS:
        return None
    return WEAK, f"few tracks: {case.tracks.num_tracks} hold it"


def _no_parallax(case: _Case) -> Verdict:
    if case.evidence.registered_by == "known":
        return None
    if case.evidence.num_pairs and case.evidence.pure_rotation_share >= NEARLY_ALL:
        return WEAK, "no parallax: the camera only turned, so distances are a guess"
    parallax = case.tracks.parallax
    if parallax is None or parallax >= MIN_PARALLAX:
        return None
    return WEAK, f"hardly any parallax ({parallax:.1f} degrees): distances are uncertain"


def _large_error(case: _Case) -> Verdict:
    error, others = case.tracks.median_error, case.evidence.epipolar_after
    if error is not None and error > LARGE_ERROR * case.unit:
        return WEAK, f"large error: its tracks miss by {error:.1f} px"
    if others is not None and others > CONTRADICTING_ERROR * case.unit:
        return WEAK, f"most of its matches contradict its camera (by {others:.1f} px)"
    return None


def _odd_focal_length(case: _Case) -> Verdict:
    doubt = case.evidence.focal_doubt
    return None if doubt is None else (WEAK, doubt)


def _one_corner(case: _Case) -> Verdict:
    if case.tracks.coverage >= MIN_COVERAGE:
        return None
    return WEAK, f"its tracks cover only {case.tracks.coverage:.0%} of the photo"


def _component(case: _Case) -> Verdict:
    if case.evidence.registered_by != "component":
        return None
    return WEAK, (
        f"{case.tracks.num_tracks} tracks shared with "
        f"{counted(case.tracks.num_partners, 'photo')}, but "
        "nothing measured connects these with most others: another scene, or too little overlap; "
        "where they are among them is a guess"
    )


def _fragment(case: _Case) -> Verdict:
    if case.evidence.registered_by == "known":
        return None
    if case.num_held >= MOST_OF_THE_SCENE * len(case.names):
        return None
    return WEAK, (
        f"held together with only {case.num_held - 1} of {len(case.names) - 1} other photos: a "
        "small group may be mistaken together"
    )


def _by_network(case: _Case) -> Verdict:
    if case.evidence.registered_by == "known" or not case.evidence.by_network:
        return None
    return WEAK, (
        f"{case.tracks.num_tracks} tracks, but only the network's matches connect it to the other "
        "photos: places that look alike may have been taken for one"
    )


def _wrong_depth(case: _Case) -> Verdict:
    agreement = case.tracks.depth_agreement
    if agreement is None or agreement >= WRONG_DEPTH:
        return None
    return WEAK, f"the camera is held, but its depth fits only {agreement:.0%} of its tracks"


def _good(case: _Case) -> tuple[str, str]:
    tracks = case.tracks
    reason = f"{tracks.num_tracks} tracks shared with {counted(tracks.num_partners, 'photo')}"
    if tracks.depth_agreement is not None and tracks.depth_agreement < DOUBTFUL_DEPTH:
        reason += f"; depth fits only {tracks.depth_agreement:.0%} of them"
    if case.evidence.same_as is not None:
        reason += f"; the same picture as {case.twin}"
    return GOOD, reason


_RULES_FOR_GUESSES: tuple[Callable[[_Case], Verdict], ...] = (
    _alone,
    _textureless,
    _same_picture,
    _nothing_in_common,
    _few_matches,
    _flat,
    _guess_by_matches,
)
_RULES_FOR_HELD: tuple[Callable[[_Case], Verdict], ...] = (
    _contradicted,
    _not_held,
    _no_pinhole,
    _same_picture,
    _no_parallax,
    _hardly_held,
    _large_error,
    _odd_focal_length,
    _one_corner,
    _component,
    _fragment,
    _by_network,
    _wrong_depth,
)
