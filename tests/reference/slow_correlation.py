"""Correlation of windows and semi-global matching once more, one pixel at a time, with NumPy."""

import numpy as np


def correlation(
    first: np.ndarray, second: np.ndarray, y: int, x: int, radius: int, stride: int, noise: float
) -> float:
    """Zero-mean normalised cross-correlation of two images' windows at one pixel, plain weights."""
    a, b = (_window(image, y, x, radius, stride) for image in (first, second))
    return _weighted(a, b, np.ones(len(a)), noise)


def adaptive_correlation(
    first: np.ndarray,
    second: np.ndarray,
    y: int,
    x: int,
    radius: int,
    stride: int,
    noise: float,
    grey: float,
    distance: float,
) -> float:
    """The same with weights that fall with the first image's grey difference and with distance."""
    a, b = (_window(image, y, x, radius, stride) for image in (first, second))
    steps = range(-radius, radius + 1, stride)
    squared = np.array([dy * dy + dx * dx for dy in steps for dx in steps])
    weights = np.exp(-np.abs(a - first[y, x]) / grey) * np.exp(-squared / (2 * distance**2))
    return _weighted(a, b, weights, noise)


def _window(image: np.ndarray, y: int, x: int, radius: int, stride: int) -> np.ndarray:
    """The window's values, row by row; outside the image its nearest pixel."""
    height, width = image.shape
    steps = range(-radius, radius + 1, stride)
    return np.array(
        [
            image[min(max(y + dy, 0), height - 1), min(max(x + dx, 0), width - 1)]
            for dy in steps
            for dx in steps
        ],
        dtype=np.float64,
    )


def _weighted(a: np.ndarray, b: np.ndarray, weights: np.ndarray, noise: float) -> float:
    mean_a, mean_b = np.average(a, weights=weights), np.average(b, weights=weights)
    covariance = np.average((a - mean_a) * (b - mean_b), weights=weights)
    variance_a = np.average((a - mean_a) ** 2, weights=weights) + noise
    variance_b = np.average((b - mean_b) ** 2, weights=weights) + noise
    return float(covariance / np.sqrt(variance_a * variance_b))


def smoothed(
    costs: np.ndarray, guide: np.ndarray, small: float, large: float, edge: float
) -> np.ndarray:
    """Mean over eight directions of the best paths' costs (Hirschmueller 2008, equation 13)."""
    height, width, _ = costs.shape
    total = np.zeros_like(costs)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            if (dy, dx) == (0, 0):
                continue
            paths = np.zeros_like(costs)
            rows = range(height) if dy >= 0 else range(height - 1, -1, -1)
            columns = range(width) if dx >= 0 else range(width - 1, -1, -1)
            for y in rows:
                for x in columns:
                    paths[y, x] = _path(costs, guide, paths, (y, x), (dy, dx), small, large, edge)
            total += paths
    return total / 8


def _path(
    costs: np.ndarray,
    guide: np.ndarray,
    paths: np.ndarray,
    at: tuple[int, int],
    step: tuple[int, int],
    small: float,
    large: float,
    edge: float,
) -> np.ndarray:
    height, width, planes = costs.shape
    y, x = at[0] - step[0], at[1] - step[1]
    if step[0] != 0 and 0 <= y < height:
        x = min(max(x, 0), width - 1)  # beyond the side, the outermost column goes on
    if not (0 <= y < height and 0 <= x < width):
        return costs[at]
    before = paths[y, x]
    jump = max(small, large / (1 + abs(guide[at] - guide[y, x]) / edge))
    best = np.empty(planes)
    for plane in range(planes):
        ways = [before[plane], before.min() + jump]
        if plane > 0:
            ways.append(before[plane - 1] + small)
        if plane < planes - 1:
            ways.append(before[plane + 1] + small)
        best[plane] = min(ways) - before.min()
    return costs[at] + best
