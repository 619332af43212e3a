"""The kinds of global attention: ``python -m benchmarks.near_views SETS... --views 25 50 100``.

The first views of photo sets with true cameras, in order, in one pass: accuracy of cameras and of
depth, and seconds of processor time, by "full" attention, which is exact, and by the others.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

from glance3d.evaluation.methods import choose_methods, run_methods
from glance3d.evaluation.scenes import scene_of_photos
from glance3d.evaluation.score import score_scene
from glance3d.models import load_model
from glance3d.pass_options import ATTENTIONS, PassOptions
from glance3d.photo_sets import load_photo_set


def main() -> None:
    """Measure, print a table row by row."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sets", type=Path, nargs="+")
    parser.add_argument("--views", type=int, nargs="+", default=[25])
    parser.add_argument("--every", type=int, default=1, help="take every so many photos")
    parser.add_argument("--kinds", nargs="+", choices=ATTENTIONS, default=ATTENTIONS)
    parser.add_argument("--model", default="glance-small")
    parser.add_argument("--max-pixels", type=int, help="of a view; by default the network's own")
    options = parser.parse_args()
    network = load_model(options.model)
    preprocessing = network.preprocessing
    if options.max_pixels is not None:
        preprocessing = replace(preprocessing, max_pixels=options.max_pixels)
    methods = choose_methods(["network"])
    print("| set | views | attention | AUC@5 | AUC@30 | depth < 1.25 | processor, s |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for folder in options.sets:
        photos = load_photo_set(folder)
        for number in options.views:
            chosen = list(range(len(photos)))[:: options.every][:number]
            scene = scene_of_photos(photos, chosen, preprocessing)
            for kind in options.kinds:
                start = time.process_time()
                passed = PassOptions(attention=kind)
                ((_, predicted),) = run_methods(network, scene, methods, passed)
                seconds = time.process_time() - start
                found = score_scene(predicted, scene)
                scores = (
                    found.pose_auc_at_5deg,
                    found.pose_auc_at_30deg,
                    found.depth_delta_125_scale_aligned,
                )
                cells = (folder.name, str(len(chosen)), kind, *(f"{each:.3f}" for each in scores))
                print(f"| {' | '.join(cells)} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
