"""What goes wrong between a generator and the Hugging Face Hub, in one line each."""

from dgn_tf.utils.errors import InputError

HUB = "hf://"
# Words in the names of errors of huggingface_hub and of what it asks servers with, and what they
# mean. The more telling come first.
_MEANINGS = (
    (("Import",), "it needs `pip install huggingface_hub`"),
    (("Offline", "Connect", "Timeout", "Proxy", "SSL"), "the Hub cannot be reached: no network"),
    (("RepositoryNotFound", "GatedRepo"), "there is no such model, or you may not read it"),
    (("Token",), "you are not logged in: `hf auth login` does that"),
    (("HFValidation",), "no name of a model: write hf://USER/NAME"),
)
_NOT_ALLOWED = "401", "403"


def hub_error(argument: str, path: str, error: Exception) -> InputError:
    """The error that names an argument and says what was wrong with the Hub.

    Args:
        argument: such as "filepath".
        path: hf://USER/NAME.
        error: of Keras or of huggingface_hub.
    """
    kinds = [kind.__name__ for kind in type(error).__mro__]
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    meaning = next(
        (
            meaning
            for words, meaning in _MEANINGS
            if any(word in kind for kind in kinds for word in words)
        ),
        "",
    )
    if not meaning and any(code in (lines or [""])[0] for code in _NOT_ALLOWED):
        meaning = "you may not do that there: `hf auth login` with an account that may"
    said = lines[0][:300] if lines else kinds[0]
    return InputError(f"`{argument}={path}`: {meaning or 'the Hub refuses'} ({said}).")
