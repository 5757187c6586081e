"""What a training leaves at its end: the model, its principal directions and its statistics."""

import shlex

import numpy as np

from dgn_tf.config import Config
from dgn_tf.data.examples import Examples
from dgn_tf.data.sources import source_of
from dgn_tf.inference.energy import reconstruction_errors
from dgn_tf.inference.statistics import LatentStatistics
from dgn_tf.runs.directory import DIRECTIONS, ENCODER, MODEL, STATISTICS, Run
from dgn_tf.runs.restoring import load_chains
from dgn_tf.training.ema import averaged_weights
from dgn_tf.types import EncodedModel, LatentArrays, LatentModel, Learner, one_hot_groups
from dgn_tf.utils.files import atomic_write
from dgn_tf.visualize.callback import SampleSheets
from dgn_tf.visualize.clips import of_first_frames
from dgn_tf.visualize.directions import Directions, principal_directions, write_directions

# Training examples, evenly spread, whose errors and textures the statistics tell.
_MEASURED = 2000


def is_finished(run: Run) -> bool:
    """Whether `finish` has done its work since the weights changed last."""
    return all((run / name).exists() for name in (MODEL, DIRECTIONS, STATISTICS))


def finish(
    run: Run, learner: Learner, examples: Examples, sheets: SampleSheets, epochs: int
) -> None:
    """Write directions.npz, statistics.npz and model.keras, and the sheets.

    The sheets that are there stay, if they follow the directions. An encoder that has learned
    beside the model is kept too, as encoder.keras.

    Directions, statistics and model.keras are of the averaged weights, where the learner averages
    them; the sheets show the last ones. Doing it again changes nothing.

    Args:
        run: whose last checkpoint has been saved.
        learner: in the state of this checkpoint.
        examples: the training examples.
        sheets: that were written while it learned.
        epochs: that were learned.
    """
    with averaged_weights(learner):
        latents = trained_latents(run, learner, examples)
        directions = run_directions(learner.model, latents)
        statistics = run_statistics(learner.model, latents, examples)
    if not sheets.follow(directions):
        sheets.write(epochs, directions)
    write_directions(run / DIRECTIONS, directions)
    statistics.save(run / STATISTICS)
    encoder = learner.state.get("encoder")
    if encoder is not None:
        with atomic_write(run / ENCODER) as partial:
            encoder.save(partial)
    with averaged_weights(learner), atomic_write(run / MODEL) as partial:
        learner.model.save(partial)


def trained_latents(run: Run, learner: Learner, examples: Examples) -> LatentArrays | None:
    """The latents [N, d] of the training examples, by group, that a training has ended with.

    Args:
        run: whose newest checkpoint has the chains.
        learner: of the run; where its model has an encoder, that gives the latents.
        examples: the training examples.

    Returns:
        None where nothing is known of them (`load_chains`).
    """
    if isinstance(learner.model, EncodedModel):
        return learner.latents(examples)
    return load_chains(run.folder)


def run_directions(model: LatentModel, latents: LatentArrays | None) -> dict[str, Directions]:
    """The principal directions of the latents that a training has ended with.

    Args:
        model: the trained model.
        latents: of its training examples, as of `trained_latents`.

    Returns:
        `Directions` by group; of clips those of the first frames. Empty where nothing is known of
        the latents, or nothing can be shown of them.
    """
    still = of_first_frames(model, latents) if latents else None
    return principal_directions(*still) if still else {}


def run_statistics(
    model: LatentModel, latents: LatentArrays | None, examples: Examples
) -> LatentStatistics:
    """The distribution of the training latents, of the reconstruction errors and of textures.

    Args:
        model: the trained model.
        latents: of its training examples, as of `trained_latents`.
        examples: these; errors, textures and the mean image are those of 2,000 of them, evenly
            spread.

    Returns:
        Statistics without groups where nothing is known of the latents.
    """
    if not latents:
        return LatentStatistics.fit({})
    count = min(len(examples), _MEASURED)
    rows = np.linspace(0, len(examples) - 1, count).astype(int)
    chosen = {name: z[rows] for name, z in latents.items()}
    measured = examples.subset(rows)
    images = measured.images[:]
    errors = reconstruction_errors(model, images, chosen)
    one_hot, mean = one_hot_groups(model), measured.mean_image()
    return LatentStatistics.fit(latents, errors, one_hot, images, mean)


def next_commands(run: Run, config: Config) -> list[str]:
    """What to do with a trained run, as three lines for the shell: measure, use, look."""
    folder, clips = shlex.quote(f"--run_dir={run.folder}"), config.data.frames
    known = source_of(config.data.data)[0].held_out or config.data.validation
    measured = " --experiment=clips" if clips else ""
    if not known:
        measured += " --data=OTHER_CLIPS" if clips else " --data=OTHER_IMAGES"
    samples = shlex.quote(f"--output={run.folder}/samples." + ("gif" if clips else "png"))
    return [
        f"dgn evaluate {folder}{measured}",
        f"dgn sample {folder} {samples}",
        f"dgn export {folder}" if clips else f"dgn explore {folder}",
    ]
