"""The one place where our parameter names and those of published checkpoints meet.

The published names, misspellings included, are a file format. A rule pairs the beginning (or the
end) of a published name with ours; the longest beginning that fits is exchanged, the rest of the
name stays. Names without a rule are the same on both sides. Architectures share no beginnings, so
that one table serves all. ``tests/models/test_remap.py`` holds the rules against lists of all
published names.
"""

from glance3d.models.weights.published_names import da3, vggt

_BEGINNINGS: dict[str, str] = vggt.BEGINNINGS | da3.BEGINNINGS
_ENDINGS: dict[str, str] = vggt.ENDINGS | da3.ENDINGS


def is_left_out(published: str) -> bool:
    """Whether a published tensor belongs to a part that our networks do not have."""
    return published.startswith(da3.LEFT_OUT)


def name_from_published(published: str) -> str:
    """Our name of a tensor of a published checkpoint."""
    return _exchange(published, _BEGINNINGS, _ENDINGS)


def published_from_name(name: str) -> str:
    """The published name of one of our tensors."""
    backwards = (
        {ours: theirs for theirs, ours in table.items()} for table in (_BEGINNINGS, _ENDINGS)
    )
    return _exchange(name, *backwards)


def _exchange(name: str, beginnings: dict[str, str], endings: dict[str, str]) -> str:
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        beginning = ".".join(parts[:count])
        if beginning in beginnings:
            name = beginnings[beginning] + name[len(beginning) :]
            break
    for ending, replacement in endings.items():
        if name.endswith(ending):
            name = name.removesuffix(ending) + replacement
    return name
