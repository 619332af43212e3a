"""The metrics once more, one pair and one pixel at a time, with NumPy and SciPy."""

import numpy as np
from scipy.spatial.transform import Rotation


def pair_errors(predicted: np.ndarray, truth: np.ndarray) -> list[float]:
    """The larger of rotation and translation-direction error of every pair, in degrees."""
    errors = []
    for i in range(len(truth)):
        for j in range(i + 1, len(truth)):
            estimated, true = relative(predicted, i, j), relative(truth, i, j)
            turn = Rotation.from_matrix(estimated[:3, :3] @ true[:3, :3].T).magnitude()
            a, b = estimated[:3, 3], true[:3, 3]
            cosine = np.clip(a @ b / np.linalg.norm(a) / np.linalg.norm(b), -1, 1)
            errors.append(float(np.rad2deg(max(turn, np.arccos(cosine)))))
    return errors


def relative(cam_from_world: np.ndarray, i: int, j: int) -> np.ndarray:
    """4x4 ``cam_j_from_cam_i``."""
    first, second = np.eye(4), np.eye(4)
    first[:3], second[:3] = cam_from_world[i], cam_from_world[j]
    return second @ np.linalg.inv(first)


def auc(errors: list[float], threshold: int) -> float:
    """Recall at 1, 2, ... threshold degrees, averaged."""
    recalls = []
    for degrees in range(1, threshold + 1):
        recalls.append(sum(error < degrees for error in errors) / len(errors))
    return sum(recalls) / len(recalls)


def depth(predicted: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """AbsRel and the share within 1.25, after the median ratio."""
    pairs = [(p, t) for p, t in zip(predicted.flat, truth.flat, strict=True) if p > 0 and t > 0]
    ratios = sorted(t / p for p, t in pairs)
    scale = ratios[(len(ratios) - 1) // 2]
    relative_errors = [abs(p * scale - t) / t for p, t in pairs]
    within = [max(p * scale / t, t / (p * scale)) < 1.25 for p, t in pairs]
    return sum(relative_errors) / len(pairs), sum(within) / len(pairs)
