"""The same in parts (model, images, predictions, scene), to put your own code in between.

    python examples/02_by_parts.py

``Predictions`` are the network's outputs, batched and on the network's pixel grid;
``Reconstruction`` is one scene, with cameras of the original photos.
"""

from pathlib import Path

import torch

import glance3d

PHOTOS = Path(__file__).parent / "data" / "motorcycle" / "images"


def main(out: Path = Path("runs/02"), model: str = "glance-small") -> None:
    """Run the network step by step and save the scene."""
    network = glance3d.load_model(model, device="cpu", precision="float32")
    batch = glance3d.load_images(PHOTOS, network.preprocessing)
    print(f"the network sees {tuple(batch.images.shape)}: views, RGB, height, width")

    options = glance3d.PassOptions(outputs=("camera", "depth"))
    predictions = glance3d.predict(network, batch, options)
    for key, value in predictions.as_dict().items():  # the published names and shapes
        if isinstance(value, torch.Tensor):
            print(f"{key:12} {tuple(value.shape)}")

    scene = predictions.to_reconstruction(batch)
    glance3d.export(scene, out / "scene.npz")
    again = glance3d.load_scene(out / "scene.npz")
    print(f"saved and loaded {again.num_views} views: {', '.join(again.names)}")


if __name__ == "__main__":
    main()
