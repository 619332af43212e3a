"""The one place where our parameter names and the published checkpoint's names meet.

The published names, misspellings included, are a file format. A rule pairs the beginning (or the
end) of a published name with ours; the longest beginning that fits is exchanged, the rest of the
name stays. Names without a rule are the same on both sides. ``tests/models/test_remap.py`` holds
the rules against the list of all 1,797 published names.
"""

_TRACKER = "track_head.tracker."
_UPDATE = "track_head.tracker.update_transformer."

_BEGINNINGS: dict[str, str] = {  # published: ours
    "camera_head.empty_pose_tokens": "camera_head.empty_pose",
    "camera_head.poseLN_modulation.1": "camera_head.modulation",
    "camera_head.pose_branch": "camera_head.pose_mlp",
    _TRACKER + "corr_mlp": _TRACKER + "correlation_mlp",
    _TRACKER + "fmap_norm": _TRACKER + "map_norm",
    _TRACKER + "ffeat_norm": _TRACKER + "feature_norm",
    _TRACKER + "ffeat_updater.0": _TRACKER + "feature_update",
    _TRACKER + "vis_predictor.0": _TRACKER + "visibility_head",
    _TRACKER + "conf_predictor.0": _TRACKER + "confidence_head",
    _TRACKER + "updateformer": _UPDATE.removesuffix("."),
    _TRACKER + "updateformer.virual_tracks": _UPDATE + "virtual_tracks",
    _TRACKER + "updateformer.input_transform": _UPDATE + "input_layer",
    _TRACKER + "updateformer.flow_head": _UPDATE + "delta_head",
    _TRACKER + "updateformer.space_virtual2point_blocks": _UPDATE + "virtual_from_point",
    _TRACKER + "updateformer.space_virtual_blocks": _UPDATE + "virtual_blocks",
    _TRACKER + "updateformer.space_point2virtual_blocks": _UPDATE + "point_from_virtual",
}

_ENDINGS: dict[str, str] = {
    "attn.in_proj_weight": "attn.in_proj.weight",
    "attn.in_proj_bias": "attn.in_proj.bias",
}


def _dense_beginnings(published: str, ours: str) -> dict[str, str]:
    """The rules of one DPT; its levels are counted from 1 there and from 0 here."""
    rules = {
        published + "norm": ours + "norm",
        published + "projects": ours + "projections",
        published + "resize_layers": ours + "resizes",
        published + "scratch.output_conv1": ours + "out_conv",
    }
    for level in range(4):
        stage = f"{published}scratch.refinenet{level + 1}."
        rules[f"{published}scratch.layer{level + 1}_rn"] = f"{ours}laterals.{level}"
        rules[stage + "resConfUnit1"] = f"{ours}stages.{level}.lateral_unit"
        rules[stage + "resConfUnit2"] = f"{ours}stages.{level}.unit"
        rules[stage + "out_conv"] = f"{ours}stages.{level}.out_conv"
    return rules


for _head in ("depth_head", "point_head"):
    _BEGINNINGS |= _dense_beginnings(f"{_head}.", f"{_head}.features.")
    _BEGINNINGS[f"{_head}.scratch.output_conv2"] = f"{_head}.to_output"
_BEGINNINGS |= _dense_beginnings("track_head.feature_extractor.", "track_head.feature_extractor.")


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
