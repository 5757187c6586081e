"""The exact renderer of the synthetic heads: one textured ellipsoid and a nose, ray-cast.

Space. The image spans [-1, 1] in x (right) and y (down); the camera looks along -z, so that
larger z is nearer. A head point p (axes as the frontal image's) lands in the camera at
q = R_y(yaw) R_x(pitch) diag(width, 1, 1) p + Center. Rays are parallel (orthographic).
The texture is a function of p alone: features move, shrink and get hidden as on a solid head.
"""

import concurrent.futures
import functools
import os

import numpy as np

# Lengths and places in head units: half the side of the image, at width 1.
HEAD_AXES = (0.80, 1.04, 0.88)
CENTER = (0.0, -0.07)
NOSE_CENTER = (0.0, 0.13, 0.79)
NOSE_AXES = (0.135, 0.27, 0.23)
EYE = (0.32, -0.10)
MOUTH_Y = 0.52
LIGHT_AMBIENT = 0.72
MISS = np.float32(-9)  # the depth of a ray that meets nothing, behind every head
SUPERSAMPLING = 2

# The columns an image is drawn from, and their sizes.
APPEARANCE = {
    "skin": 3,
    "hair": 3,
    "background": 3,
    "iris": 3,
    "lip": 3,
    "brow": 3,
    "moustache": 1,
    "light": 2,
}
GEOMETRY = {
    "yaw": 1,
    "pitch": 1,
    "width": 1,
    "mouth_opening": 1,
    "smile": 1,
    "brow_raise": 1,
}


def rotation(yaw: np.ndarray, pitch: np.ndarray) -> np.ndarray:
    """Rotation matrices R_y(yaw) R_x(pitch).

    Args:
        yaw: degrees [N]; positive turns the face to the image's right.
        pitch: degrees [N]; positive turns the face down.

    Returns:
        float64 [N, 3, 3]; head to camera.
    """
    yaw, pitch = np.radians(np.float64(yaw)), np.radians(np.float64(pitch))
    zero, one = np.zeros_like(yaw), np.ones_like(yaw)
    sin, cos = np.sin(yaw), np.cos(yaw)
    about_y = np.stack([cos, zero, sin, zero, one, zero, -sin, zero, cos], -1).reshape(-1, 3, 3)
    sin, cos = np.sin(pitch), np.cos(pitch)
    about_x = np.stack([one, zero, zero, zero, cos, sin, zero, -sin, cos], -1).reshape(-1, 3, 3)
    return about_y @ about_x


def mouth_shape(smile: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Half width of the mouth and how far its corners are raised, in head units, for any shape."""
    return 0.27 + 0.045 * smile, 0.035 + 0.075 * smile


def project(points: np.ndarray, geometry: dict[str, np.ndarray], side: int) -> np.ndarray:
    """Pixels where head points land.

    Args:
        points: [N, K, 3] in head coordinates.
        geometry: columns `yaw`, `pitch` (degrees) and `width`, each [N].
        side: side of the image in pixels.

    Returns:
        float32 [N, K, 2], (x, y) in pixels, pixel centers at integers.
    """
    scaled = np.array(points, np.float64)
    scaled[..., 0] *= np.asarray(geometry["width"])[:, None]
    turn = rotation(geometry["yaw"], geometry["pitch"])
    camera = np.einsum("nij,nkj->nki", turn, scaled)[..., :2] + CENTER
    return ((camera + 1) * side / 2 - 0.5).astype(np.float32)


def feature_points(geometry: dict[str, np.ndarray]) -> np.ndarray:
    """Five points on the head: eyes, nose tip, mouth corners.

    Args:
        geometry: column `smile` [N].

    Returns:
        float64 [N, 5, 3] in head coordinates: left eye, right eye, nose tip, left and right mouth
        corner ("left" is the left of the image).
    """
    smile = np.asarray(geometry["smile"], np.float64)
    half_width, lift = mouth_shape(smile)
    column = np.ones_like(smile)
    flat = [(-EYE[0] * column, EYE[1] * column), (EYE[0] * column, EYE[1] * column)]
    flat += [(sign * half_width, MOUTH_Y - lift) for sign in (-1, 1)]
    a, b, c = HEAD_AXES
    eyes_mouth = [
        np.stack([x, y, c * np.sqrt(1 - (x / a) ** 2 - (y / b) ** 2)], -1) for x, y in flat
    ]
    nose = np.array(NOSE_CENTER) + (0, 0, NOSE_AXES[2])
    nose = np.broadcast_to(nose, eyes_mouth[0].shape)
    return np.stack([*eyes_mouth[:2], nose, *eyes_mouth[2:]], axis=1)


def render_rows(rows: dict[str, np.ndarray], side: int) -> np.ndarray:
    """Draws one image a row; each image is computed alone, so batches change no byte.

    Args:
        rows: every column of `APPEARANCE` and `GEOMETRY`, [N] or [N, size] float32.
        side: side of the images in pixels.

    Returns:
        uint8 [N, side, side, 3].
    """
    turns = rotation(rows["yaw"], rows["pitch"]).astype(np.float32)
    out = np.empty((len(turns), side, side, 3), np.uint8)

    def fill(index: int) -> None:
        factors = {name: column[index] for name, column in rows.items()}
        out[index] = _draw(turns[index], factors, side)

    # NumPy lets go of the interpreter lock inside its loops only, so more threads would just wait.
    with concurrent.futures.ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for _ in pool.map(fill, range(len(out))):
            pass
    return out


def _draw(turn: np.ndarray, factors: dict[str, np.ndarray], side: int) -> np.ndarray:
    """One image, uint8 [side, side, 3]."""
    fine = side * SUPERSAMPLING
    line = (2 * np.arange(fine, dtype=np.float32) + 1) / fine - 1
    hit, point, normal = _cast(line - CENTER[0], line - CENTER[1], turn, factors["width"])

    light = np.append(factors["light"], np.float32(1))
    towards = turn.T @ (light / np.linalg.norm(light))
    lambert = normal[0] * towards[0] + normal[1] * towards[1] + normal[2] * towards[2]
    shade = LIGHT_AMBIENT + (1 - LIGHT_AMBIENT) * np.maximum(lambert, 0)
    wall = (1.04 - 0.08 * np.repeat(line, fine))[~hit]

    hair = _hair_mask(point)
    color = [factors["skin"][i] + (factors["hair"] - factors["skin"])[i] * hair for i in range(3)]
    for (x_max, y_min, y_max), layers in LAYERS:
        # Rays that miss may be painted too: the wall replaces them below.
        inside = (point[2] > 0) & (point[0] < x_max) & (point[1] > y_min) & (point[1] < y_max)
        near = np.flatnonzero(inside)
        _paint(color, near, layers([axis[near] for axis in point], factors))

    image = np.empty((side, side, 3), np.uint8)
    for i in range(3):
        color[i] *= shade
        color[i][~hit] = factors["background"][i] * wall
        grid = color[i].reshape(side, SUPERSAMPLING, fine)
        rows = functools.reduce(np.add, [grid[:, k] for k in range(SUPERSAMPLING)])
        mean = functools.reduce(np.add, [rows[:, k::SUPERSAMPLING] for k in range(SUPERSAMPLING)])
        mean *= np.float32(255 / SUPERSAMPLING**2)
        image[..., i] = np.rint(np.minimum(np.maximum(mean, 0), 255))
    return image


def _paint(color, near, layers):
    """Paints over the points `near`, in place: each layer is an RGB color and a mask in [0, 1]."""
    for i in range(3):
        channel = color[i][near]
        for paint, mask in layers:
            channel += (np.float32(paint[i]) - channel) * mask
        color[i][near] = channel


def _cast(x, y, turn, width):
    """Nearest hits of the rays through the grid of the columns `x` and the rows `y`, P in all.

    Returns:
        hit (bool [P]), point (|x|, y and z in head coordinates, each [P]), normal (three arrays
        [P] along the axes of the turned head, unit length).
    """
    scale = np.array([1 / width, 1, 1], np.float32)
    origin = [
        ((turn[0, i] * scale[i] * x)[None, :] + (turn[1, i] * scale[i] * y)[:, None]).ravel()
        for i in range(3)
    ]
    along = turn[2] * scale
    t_head = _ellipsoid(origin, along, (0.0, 0.0, 0.0), HEAD_AXES)
    t_nose = _ellipsoid(origin, along, NOSE_CENTER, NOSE_AXES)
    depth = np.maximum(t_head, t_nose)
    point = [origin[i] + depth * along[i] for i in range(3)]

    slopes = [point[i] * (scale[i] / HEAD_AXES[i] ** 2) for i in range(3)]
    # The crease between nose and face is rounded in the normal, as flesh would be.
    bump = np.flatnonzero((t_nose > MISS) & (t_nose > t_head - 0.02))
    on_nose = _step(-0.02, 0.10, (t_nose - t_head)[bump])
    for i in range(3):
        nose = (point[i][bump] - NOSE_CENTER[i]) * (0.25 * scale[i] / NOSE_AXES[i] ** 2)
        slopes[i][bump] += on_nose * (nose - slopes[i][bump])
    square = slopes[0] * slopes[0] + slopes[1] * slopes[1] + slopes[2] * slopes[2]
    inverse = 1 / np.sqrt(square)
    point[0] = np.abs(point[0])
    return depth > MISS, point, [slope * inverse for slope in slopes]


def _ellipsoid(origin, along, center, axes):
    """Largest t at which each ray origin + t along meets the ellipsoid, or `MISS`."""
    o = [origin[i] * (1 / axes[i]) - center[i] / axes[i] for i in range(3)]
    d = [along[i] / np.float32(axes[i]) for i in range(3)]
    dd = sum(v * v for v in d)
    od = o[0] * d[0] + o[1] * d[1] + o[2] * d[2]
    gap = od * od - dd * (o[0] * o[0] + o[1] * o[1] + o[2] * o[2] - 1)
    root = (np.sqrt(np.maximum(gap, 0)) - od) / dd
    root[gap <= 0] = MISS
    return root


def _step(low, high, value):
    """The cubic smoothstep: 0 below `low`, 1 above `high`."""
    t = (value - low) * (1 / (high - low))
    t = np.minimum(np.maximum(t, 0), 1)
    return t * t * (3 - 2 * t)


def _below(value, edge, soft):
    """1 where value < edge, with a smooth rim of half width `soft`."""
    return _step(-edge - soft, -edge + soft, -value)


def _blob(dx, dy):
    """A round hill (1 - r^2 / 6)^3, 1 at the middle and 0 from r = sqrt(6): much like exp(-r^2)."""
    t = np.maximum(1 - (dx * dx + dy * dy) * (1 / 6), 0)
    return t * t * t


def _hair_mask(point):
    ax, y, z = point
    # Distance behind the hair line: over the forehead, and behind the temples down to the ears.
    top = -0.56 + 0.45 * ax * ax - y
    side = 0.30 - 0.95 * _step(0.05, 0.75, y) - z
    return _step(-0.05, 0.05, np.maximum(top, side))


def _flush(point, factors):
    ax, y, _ = point
    cheek = _blob((ax - 0.42) / 0.20, (y - 0.26) / 0.20)
    socket = _blob((ax - EYE[0]) / 0.20, (y - EYE[1] + 0.03) / 0.17)
    skin = factors["skin"]
    return [(skin * (1.0, 0.80, 0.80), 0.55 * cheek), (skin * (0.70, 0.60, 0.58), 0.45 * socket)]


def _nose(point, factors):
    ax, y, _ = point
    flank = 0.42 * _blob((ax - 0.12) / 0.05, (y - 0.12) / 0.17)
    under = 0.55 * _blob(ax / 0.13, (y - 0.355) / 0.05)
    nostril = _below(((ax - 0.065) / 0.042) ** 2 + ((y - 0.315) / 0.028) ** 2, 1.0, 0.6)
    skin = factors["skin"]
    return [(skin * (0.66, 0.58, 0.56), flank + under), (skin * 0.30, 0.8 * nostril)]


def _mouth(point, factors):
    ax, y, _ = point
    opening = factors["mouth_opening"]
    half_width, lift = mouth_shape(factors["smile"])
    across = (ax * (1 / half_width)) ** 2
    line, bow = MOUTH_Y - lift * across, 1 - across
    inside = np.maximum(bow, 0)
    top, bottom = line - 0.035 * opening * inside, line + 0.150 * opening * inside
    # The upper lip is thinner in the middle, under the nose.
    dip = 1 - 0.25 * _blob(ax / 0.05, np.float32(0))
    ends, soft = _step(-0.08, 0.10, bow), 0.022
    lips = _step(-soft, soft, y - top + 0.075 * inside * dip)
    lips = lips * _step(-soft, soft, bottom + 0.095 * inside - y) * ends
    gap = _step(-soft, soft, y - top + 0.008) * _step(-soft, soft, bottom + 0.008 - y) * ends
    teeth = gap * _below(y - top, 0.055, soft) * _step(0.15, 0.5, opening) * _step(0.1, 0.4, bow)

    along = ax / 0.30
    thick = 0.050 * (1 - 0.75 * _step(0.3, 1.0, along))
    hairs = _below(np.abs(y - line + 0.105 - 0.05 * along * along), thick, 0.025)
    hairs = 0.9 * factors["moustache"] * hairs * _below(along, 1.0, 0.12)
    chin = 0.18 * _blob(ax / 0.16, (y - 0.74) / 0.035)
    return [
        (factors["skin"] * (0.70, 0.60, 0.58), chin),
        (factors["lip"], lips),
        ((0.20, 0.07, 0.07), gap),
        ((0.90, 0.88, 0.84), 0.9 * teeth),
        (factors["brow"], hairs),
    ]


def _eyes(point, factors):
    ax, y, _ = point
    dx, dy = ax - EYE[0], y - EYE[1]
    across = (dx * (1 / 0.185)) ** 2
    upper, lower = -0.115 * (1 - across), 0.085 * (1 - across)
    opened = _step(-0.02, 0.02, dy - upper) * _step(-0.02, 0.02, lower - dy)
    radius = np.sqrt(dx * dx + dy * dy)
    lid = _below(np.abs(dy - upper), 0.020, 0.022) * _below(across, 1.1, 0.15)
    return [
        ((0.93, 0.92, 0.90), opened),
        (factors["iris"], opened * _below(radius, 0.092, 0.022)),
        ((0.04, 0.04, 0.05), opened * _below(radius, 0.040, 0.018)),
        ((0.13, 0.09, 0.08), 0.85 * lid),
    ]


def _brows(point, factors):
    ax, y, _ = point
    dx = ax - 0.33
    arch = -0.335 - 0.075 * factors["brow_raise"] + 0.9 * dx * dx + 0.06 * dx
    thick = 0.048 * (1 - 0.7 * _step(-0.05, 0.25, dx))
    mask = _below(np.abs(y - arch), thick, 0.028) * _below(np.abs(dx), 0.215, 0.04)
    return [(factors["brow"], 0.92 * mask)]


# Painted one over the other on the front of the head, each only inside a box that holds it:
# (largest |x|, smallest y, largest y) in head coordinates.
LAYERS = (
    ((0.91, -0.55, 0.75), _flush),
    ((0.45, -0.30, 0.54), _nose),
    ((0.40, 0.28, 0.84), _mouth),
    ((0.54, -0.28, 0.08), _eyes),
    ((0.60, -0.52, -0.12), _brows),
)
