"""The published names of a DPT, which are the same in all architectures."""


def dense_beginnings(published: str, ours: str) -> dict[str, str]:
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
