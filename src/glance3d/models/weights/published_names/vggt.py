"""The published names of VGGT."""

from glance3d.models.weights.published_names.dense import dense_beginnings

_TRACKER = "track_head.tracker."
_UPDATE = "track_head.tracker.update_transformer."

BEGINNINGS: dict[str, str] = {  # published: ours
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

ENDINGS: dict[str, str] = {
    "attn.in_proj_weight": "attn.in_proj.weight",
    "attn.in_proj_bias": "attn.in_proj.bias",
}


for _head in ("depth_head", "point_head"):
    BEGINNINGS |= dense_beginnings(f"{_head}.", f"{_head}.features.")
    BEGINNINGS[f"{_head}.scratch.output_conv2"] = f"{_head}.to_output"
BEGINNINGS |= dense_beginnings("track_head.feature_extractor.", "track_head.feature_extractor.")
