"""A training step (Algorithm 1) in PyTorch: the same program as dgn_tf's, the obvious good way.

Transposed convolutions with padding k // 2 and output_padding 1, channels_last, grid_sample, Adam.
Such a transposed convolution is the mirror image of TensorFlow's "SAME", so the networks here are
those of dgn_tf mirrored along both axes: images are flipped, displacements flipped and negated.

    python -m dgn_tf.benchmarking.torch_step

answers requests in JSON, one a line, as `dgn_tf.benchmarking.pytorch` makes them: PyTorch's
compiler and TensorFlow crash in one process.
"""

import dataclasses
import functools
import json
import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional

VARIANTS = ("plain", "cached")


@dataclasses.dataclass(frozen=True)
class Sizes:
    """What shapes a step; the names are those of the flags of dgn_tf.train."""

    side: int
    channels: int
    batch_size: int
    langevin_steps: int
    appearance_dim: int
    geometry_dim: int
    alpha: float
    max_displacement: float
    smoothing: float
    fold_penalty: float
    mean_penalty: float
    variation_penalty: float
    sigma: float
    step_size: float
    learning_rate: float


class Generator(nn.Module):
    """Table IV: a latent vector [B, d] to a map [B, C, S, S] in [-1, 1], channels last.

    Args:
        latent_dim: d.
        fc: filters of the 4x4 map.
        levels: (kernel, filters) of each transposed convolution; all have stride 2.
    """

    def __init__(self, latent_dim: int, fc: int, levels: list[tuple[int, int]]):
        super().__init__()
        self.fc = nn.Linear(latent_dim, 16 * fc)
        inputs, layers = fc, []
        for kernel, filters in levels:
            layers.append(nn.ConvTranspose2d(inputs, filters, kernel, 2, kernel // 2, 1))
            inputs = filters
        self.deconvolutions = nn.ModuleList(layers)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """The map of z."""
        x = functional.relu(self.fc(z)).view(len(z), 4, 4, -1).permute(0, 3, 1, 2)
        for layer in self.deconvolutions[:-1]:
            x = functional.relu(layer(x))
        return torch.tanh(self.deconvolutions[-1](x))


class Model(nn.Module):
    """Eq. 1: images [B, C, S, S] in [-1, 1] of z_a and z_g."""

    def __init__(self, sizes: Sizes):
        super().__init__()
        self.sizes = sizes
        side = sizes.side
        self.appearance = Generator(
            sizes.appearance_dim, *levels(side, sizes.channels, sizes.alpha)
        )
        self.geometry = Generator(sizes.geometry_dim, *levels(side, 2, 1.0))
        grid = torch.linspace(-1.0, 1.0, side)
        # (x, y), as grid_sample wants them.
        self.register_buffer("grid", torch.stack(torch.meshgrid(grid, grid, indexing="xy"), -1))
        offset = np.arange(side)[:, None] - np.arange(side)[None]
        width = max(sizes.smoothing * side, 1e-3)
        weights = np.exp(-0.5 * np.square(offset / width))
        filtering = torch.tensor(weights / weights.sum(1, keepdims=True), dtype=torch.float32)
        self.register_buffer("filter", filtering)

    def part(self, name: str, z: torch.Tensor) -> torch.Tensor:
        """The canonical image [B, C, S, S], or the displacement [B, 2, S, S] in pixels."""
        if name == "appearance":
            return self.appearance(z)
        field = self.sizes.max_displacement * self.sizes.side * self.geometry(z)
        return self.filter @ field @ self.filter.T if self.sizes.smoothing else field

    def combine(self, parts: dict[str, torch.Tensor]) -> torch.Tensor:
        """The warp: a pixel is 2 / (S - 1) of the unit of grid_sample."""
        moves = parts["geometry"].permute(0, 2, 3, 1) * (2.0 / (self.sizes.side - 1))
        return functional.grid_sample(
            parts["appearance"], self.grid + moves, "bilinear", "border", align_corners=True
        )

    def penalty(self, field: torch.Tensor) -> torch.Tensor:
        """Fold, mean and variation penalties of displacements, as `regularization` of dgn_tf."""
        sizes, total = self.sizes, field.new_zeros(())
        if sizes.fold_penalty:
            corner = field[:, :, :-1, :-1]
            across, down = field[:, :, :-1, 1:] - corner, field[:, :, 1:, :-1] - corner
            area = (1.0 + across[:, 0]) * (1.0 + down[:, 1]) - down[:, 0] * across[:, 1]
            total = total + sizes.fold_penalty * functional.relu(0.1 - area).square().mean()
        if sizes.mean_penalty:
            shift = field.mean(0) / sizes.side
            total = total + sizes.mean_penalty * shift.square().sum(0).mean()
        if sizes.variation_penalty:
            slopes = [field.diff(dim=3), field.diff(dim=2)]
            bends = [slope.diff(dim=dim) for dim in (3, 2) for slope in slopes]
            total = total + sizes.variation_penalty * sum(b.abs().sum(1).mean() for b in bends)
        return total


def levels(side: int, channels: int, ratio: float) -> tuple[int, list[tuple[int, int]]]:
    """Filters of the 4x4 map and (kernel, filters) of each level: Table IV for any side."""
    count = int(np.log2(side // 4))
    filters = [max(1, round(ratio * 16 * 2**k)) for k in range(count - 1, -1, -1)]
    kernels = [3] * (count - 2) + [5, 5]
    return filters[0], list(zip(kernels, [*filters[1:], channels], strict=True))


class TorchStep:
    """Algorithm 1 with chains of N examples.

    Args:
        sizes: of the model and the step.
        variant: "plain" evaluates the whole model for every half-step; "cached" keeps each part
            with its graph until its own latent moves, as dgn_tf does.
        compiled: whether `torch.compile` makes the half-step of "plain", or the parts and the warp
            of "cached".
        examples: N; 0 for a batch.
    """

    def __init__(self, sizes: Sizes, variant: str, compiled: bool = False, examples: int = 0):
        if variant not in VARIANTS:
            raise ValueError(f"variant must be one of {VARIANTS}, got {variant!r}")
        self.sizes = sizes
        self.model = Model(sizes).to(memory_format=torch.channels_last)
        count = examples or sizes.batch_size
        dims = {"appearance": sizes.appearance_dim, "geometry": sizes.geometry_dim}
        self.chains = {name: torch.randn(count, dim) for name, dim in dims.items()}
        self.optimizer = torch.optim.Adam(self.model.parameters(), sizes.learning_rate, eps=1e-7)
        self._langevin = self._cached if variant == "cached" else self._plain
        make = torch.compile if compiled else lambda function: function
        self._drift, self._part = make(self._drift), make(self.model.part)
        self._slope = make(self._slope)

    def step(self, index: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """One iteration on examples `index` [B] with images x [B, C, S, S]; returns the loss."""
        z = {name: states[index] for name, states in self.chains.items()}
        z = self.infer(x, z, {name: self.draw(value) for name, value in z.items()})
        self.optimizer.zero_grad(set_to_none=True)
        parts = {name: self.model.part(name, value) for name, value in z.items()}
        loss = self._loss(x, parts) / len(x) + self.model.penalty(parts["geometry"])
        loss.backward()
        self.optimizer.step()
        for name, value in z.items():
            self.chains[name][index] = value
        return loss.detach()

    def draw(self, z: torch.Tensor) -> torch.Tensor:
        """Standard normal noise [l, B, d] for latents [B, d]."""
        return torch.randn(self.sizes.langevin_steps, *z.shape)

    def infer(self, x, z, noise):
        """The l alternating Langevin steps (Eq. 7); the weights get no gradient.

        Args:
            x: images [B, C, S, S] in [-1, 1].
            z: latents [B, d] by group.
            noise: standard normal [l, B, d] by group.

        Returns:
            The latents after them.
        """
        self.model.requires_grad_(False)
        z = self._langevin(x, dict(z), noise)
        self.model.requires_grad_(True)
        return z

    def _loss(self, x, parts):
        """Sum over the batch of the first term of Eq. 8 with its sign turned."""
        error = (x - self.model.combine(parts)) / 2.0
        return error.square().sum() / (2.0 * self.sizes.sigma**2)

    def _plain(self, x, z, noise):
        for step in range(self.sizes.langevin_steps):
            for name in z:
                z[name] = self._moved(z[name], self._drift(x, z, name), noise[name][step])
        return z

    def _drift(self, x, z, name):
        """Gradient of the loss with respect to one group, through the whole model."""
        with torch.enable_grad():
            moving = z[name].detach().requires_grad_(True)
            latents = {**z, name: moving}
            parts = {other: self.model.part(other, value) for other, value in latents.items()}
            (gradient,) = torch.autograd.grad(self._loss(x, parts), moving)
        return gradient

    def _cached(self, x, z, noise):
        leaves, parts = {}, {}

        def forward(name):
            leaves[name] = z[name].detach().requires_grad_(True)
            parts[name] = self._part(name, leaves[name])

        for name in z:
            forward(name)
        last = list(z)[-1]
        for step in range(self.sizes.langevin_steps):
            for name in z:
                slope = self._slope(x, {other: p.detach() for other, p in parts.items()}, name)
                (gradient,) = torch.autograd.grad(parts[name], leaves[name], slope)
                z[name] = self._moved(z[name], gradient, noise[name][step])
                if step + 1 < self.sizes.langevin_steps or name != last:
                    forward(name)
        return z

    def _slope(self, x, parts, name):
        """Gradient of the loss with respect to one part."""
        with torch.enable_grad():
            part = parts[name].requires_grad_(True)
            loss = self._loss(x, {**parts, name: part})
            return torch.autograd.grad(loss, part)[0]

    def _moved(self, z, gradient, noise):
        delta = self.sizes.step_size
        return z - delta**2 / 2.0 * (gradient + z) + delta * noise


def copy_weights(model: Model, appearance: list[np.ndarray], geometry: list[np.ndarray]) -> None:
    """Give the model the weights of dgn_tf's generators (`get_weights`), mirrored.

    Raises:
        ValueError: they are of other sizes.
    """
    for generator, weights in ((model.appearance, appearance), (model.geometry, geometry)):
        kernel, bias = weights[:2]
        with torch.no_grad():
            generator.fc.weight.copy_(_flipped_map(kernel).T)
            generator.fc.bias.copy_(_flipped_map(bias[None])[0])
            for layer, kernel, bias in zip(
                generator.deconvolutions, weights[2::2], weights[3::2], strict=True
            ):
                # [k, k, out, in] there, [in, out, k, k] here.
                layer.weight.copy_(_tensor(kernel[::-1, ::-1].transpose(3, 2, 0, 1)))
                layer.bias.copy_(_tensor(bias))
    # What moves right in the mirror image moves left; the hyperbolic tangent is odd.
    for weight in model.geometry.deconvolutions[-1].parameters():
        weight.data.neg_()


def mirrored(images: np.ndarray) -> torch.Tensor:
    """Images [B, S, S, C] of dgn_tf as this program has them: [B, C, S, S], channels last."""
    flipped = _tensor(images[:, ::-1, ::-1]).permute(0, 3, 1, 2)
    return flipped.contiguous(memory_format=torch.channels_last)


def _flipped_map(weights):
    """The last axis of weights as a 4x4 map of filters, flipped."""
    maps = weights.reshape(len(weights), 4, 4, -1)[:, ::-1, ::-1]
    return _tensor(maps.reshape(weights.shape))


def _tensor(array):
    return torch.from_numpy(np.ascontiguousarray(array))


class Server:
    """The programs of some settings, made when they are first asked for.

    Args:
        settings: those of dgn_tf.train by name, with numbers for sigma, step_size, learning_rate.
        threads: of each operation.
    """

    def __init__(self, settings: dict, threads: int):
        torch.set_num_threads(threads)
        self._sizes = Sizes(**{f.name: settings[f.name] for f in dataclasses.fields(Sizes)})
        side, count = self._sizes.side, self._sizes.batch_size
        images = np.random.default_rng(0).uniform(-1, 1, (count, side, side, settings["channels"]))
        self._x, self._index = mirrored(images.astype(np.float32)), torch.arange(count)
        self._program = functools.cache(
            lambda variant, compiled: TorchStep(self._sizes, variant, compiled)
        )

    def step(self, variant: str, compiled: bool) -> dict[str, float]:
        """Make one training step."""
        return {"loss": float(self._program(variant, compiled).step(self._index, self._x))}

    def infer(self, variant: str, compiled: bool, file: str) -> dict[str, list]:
        """Latents after as many Langevin steps as there is noise, from what an .npz file holds.

        Its arrays: x [B, S, S, C]; z_, noise_ and weights_N_ of "appearance" and "geometry".
        """
        with np.load(file, allow_pickle=False) as arrays:
            stored = dict(arrays)
        groups = ("appearance", "geometry")
        steps = len(stored["noise_appearance"])
        program = TorchStep(
            dataclasses.replace(self._sizes, langevin_steps=steps), variant, compiled
        )
        weights = [
            [
                stored[f"weights_{k}_{name}"]
                for k in range(len(list(program.model.parameters())) // 2)
            ]
            for name in groups
        ]
        copy_weights(program.model, *weights)
        z, noise = (
            {name: _tensor(stored[f"{kind}_{name}"]) for name in groups} for kind in ("z", "noise")
        )
        found = program.infer(mirrored(stored["x"]), z, noise)
        return {name: value.tolist() for name, value in found.items()}


def serve() -> None:
    """Answer each line of standard input: first the arguments of `Server`, then method and its."""
    server = Server(**json.loads(sys.stdin.readline()))
    print(json.dumps({"torch": torch.__version__}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(getattr(server, request.pop("method"))(**request)), flush=True)


if __name__ == "__main__":
    serve()
