"""The generators that Python programs make: of images, and of clips."""

import keras

from dgn_tf.api.generator import Generator


@keras.saving.register_keras_serializable(package="dgn_tf", name="ImageGenerator")
class DeformableGenerator(Generator):
    """A generator of images, which takes appearance and geometry apart.

    It is a model of Keras, made of networks that Langevin dynamics or an encoder infers the latents
    of. Every setting of `dgn train` but those that choose data is a keyword, as is `mirror`.

    Examples:
        >>> import dgn_tf as dgn
        >>> model = dgn.DeformableGenerator.from_preset("debug", alpha=0.1, epochs=20)
        >>> model
        DeformableGenerator(32x32x3, appearance 8, geometry 8; not trained)
        >>> model.compile(optimizer="lion", langevin=dgn.Langevin(steps=2, step_size=0.1))
        >>> images = model.sample(2, seed=3)
        >>> images, images.latents
        (Images(2 images, 32x32x3), Latents(2: appearance 8, geometry 8))

    What follows needs a trained one, by `fit` or `dgn.load`:

        history = model.fit(train, validation_data=held_out, run_dir="runs/faces")
        z = model.infer(["ann.jpg", "ben.jpg"])
        model.paint(model.edit(z, widen=2, appearance={1: -1})).save("wide.png")
        model.save("faces.keras")

    Args:
        settings: values of settings by name, the others are those of the paper; `from_preset` has
            better ones.

    Raises:
        InputError: there is no such setting, or a value is out of its range.
    """


@keras.saving.register_keras_serializable(package="dgn_tf", name="ClipGenerator")
class DynamicGenerator(Generator):
    """A generator of clips, whose latents move from frame to frame.

    It has the calls of `DeformableGenerator`, for clips of `frames` frames; `warp` and `explore`
    are for images.

    Examples:
        >>> import dgn_tf as dgn
        >>> dgn.DynamicGenerator.from_preset("clips_quickstart", frames=4, alpha=0.1)
        DynamicGenerator(clips of 4 frames, 32x32x3, appearance 9, geometry 48; not trained)

    Args:
        settings: values of settings by name, the others are those of the paper.

    Raises:
        InputError: there is no such setting, or a value is out of its range.
    """

    clips = True
