"""The published names of Depth Anything 3."""

from glance3d.models.weights.published_names.dense import dense_beginnings

_HEAD = "model.head.scratch."
_ENCODER, _DECODER = "model.cam_enc.", "model.cam_dec."


def _ray_output(level: int, ours: str) -> dict[str, str]:
    """The last convolutions of one level of the ray chain."""
    rules = {
        f"{_HEAD}output_conv1_aux.{level}": f"{ours}.convolutions",
        f"{_HEAD}output_conv2_aux.{level}.0": f"{ours}.hidden",
        f"{_HEAD}output_conv2_aux.{level}.5": f"{ours}.last",
    }
    return rules


def _ray_stages() -> dict[str, str]:
    rules = {}
    for level in range(4):
        stage, ours = f"{_HEAD}refinenet{level + 1}_aux.", f"dense_head.ray_stages.{level}."
        rules[stage + "resConfUnit1"] = ours + "lateral_unit"
        rules[stage + "resConfUnit2"] = ours + "unit"
        rules[stage + "out_conv"] = ours + "out_conv"
    return rules


def _in_our_head(ours: str) -> str:
    """The depth chain's parts lie beside the levels."""
    return ours.replace("levels.stages.", "depth_stages.").replace("levels.out_conv", "depth_conv")


BEGINNINGS: dict[str, str] = {  # published: ours
    "model.backbone.pretrained": "backbone",
    _ENCODER + "pose_branch": "camera_encoder.pose_mlp",
    _ENCODER + "token_norm": "camera_encoder.token_norm",
    _ENCODER + "trunk": "camera_encoder.trunk",
    _ENCODER + "trunk_norm": "camera_encoder.trunk_norm",
    _DECODER + "backbone.0": "camera_decoder.hidden.0",
    _DECODER + "backbone.2": "camera_decoder.hidden.1",
    _DECODER + "fc_t": "camera_decoder.centre",
    _DECODER + "fc_qvec": "camera_decoder.quaternion",
    _DECODER + "fc_fov.0": "camera_decoder.field_of_view",
    _HEAD + "output_conv2": "dense_head.depth_output",
    # One norm serves all four levels and is stored with the first.
    _HEAD + "output_conv2_aux.0.2": "dense_head.ray_norm",
    **{
        published: _in_our_head(ours)
        for published, ours in dense_beginnings("model.head.", "dense_head.levels.").items()
    },
    **_ray_stages(),
    **_ray_output(3, "dense_head.ray_output"),
}
for _level in range(3):
    BEGINNINGS |= _ray_output(_level, f"dense_head.coarser_ray_outputs.{_level}")

#: Published parts that our network does not have: the GIANT's Gaussian head.
LEFT_OUT = ("model.gs_head.",)

ENDINGS: dict[str, str] = {
    f"mlp.{published}.{leaf}": f"mlp.{ours}.{leaf}"
    for published, ours in (("w12", "in_proj"), ("w3", "out_proj"))
    for leaf in ("weight", "bias")
}
