"""The configs of an ensemble's networks: its own, with what sets each of them apart."""

from forecaster.config.schema import ONE_SIDED, Config, Cosine
from forecaster.errors import UsageError
from forecaster.problems import Problem

_LOSSES = ("mse", "mae", "huber", "log_cosh")
_SHORTEST = 0.5  # share of the window that the last network of an ensemble over windows reads


def list_members(config: Config) -> list[Config]:
    """List the config of each network; itself alone where there is no ensemble.

    Network k, from 0, has the seed of the config and k more. Over `window` the lengths fall evenly from the whole
    window to half of it; over `loss` the loss of the config comes first, then the others in turn. Over `sign_flip`
    every second network is trained on sign-flipped windows. Over `start` the first half starts from the zero-shot
    forecast and the others do not, and signs are flipped as over `sign_flip` where the head allows it. Over `shards`
    network k is trained on every `size`-th series, beginning with series k. A `snapshot` is
    a cycle of one training: an equal share of its epochs, the rate falling along half a cosine to 0 (Huang 2017,
    eq. 2).
    """
    ensemble = config.ensemble
    if ensemble is None or ensemble.size == 1:
        return [config]
    single, seed = config.model_copy(update={"ensemble": None}), config.training.seed
    members = [_set_training(single, seed=(seed + number) % 2**31) for number in range(ensemble.size)]
    match ensemble.vary:
        case "window":
            return [_shorten_window(member, number / (ensemble.size - 1)) for number, member in enumerate(members)]
        case "loss":
            losses = list(dict.fromkeys([config.loss, *_LOSSES]))
            return [_set_training(member, loss=losses[number % len(losses)]) for number, member in enumerate(members)]
        case "sign_flip":
            return [_set_training(member, sign_flip=number % 2 == 1) for number, member in enumerate(members)]
        case "start":
            flips = config.model.head not in ONE_SIDED and not config.training.sign_flip
            return [
                _set_start(_set_training(member, sign_flip=number % 2 == 1) if flips else member, number, len(members))
                for number, member in enumerate(members)
            ]
        case "snapshot":
            cycle = config.training.epochs // ensemble.size
            return [_set_training(member, epochs=cycle, schedule=Cosine(minimum=0.0)) for member in members]
        case _:
            return members


def get_member(config: Config, number: int) -> Config:
    """Return the config of one network, counted from 1.

    Raises:
        UsageError: there is none of this number.
    """
    members = list_members(config)
    if number > len(members):
        raise UsageError(Problem("no-such-member", f"--member {number}", detail={"count": len(members)}))
    return members[number - 1]


def _set_start(config: Config, number: int, count: int) -> Config:
    """Let the first half of some networks start from the zero-shot forecast, and the others not."""
    model = config.model.model_copy(update={"pretrained": number < (count + 1) // 2})
    return config.model_copy(update={"model": model})


def _set_training(config: Config, **changes: object) -> Config:
    return config.model_copy(update={"training": config.training.model_copy(update=changes)})


def _shorten_window(config: Config, place: float) -> Config:
    """Shorten the window to what the network can read: the whole at place 0, half of it at 1."""
    unit, fewest = _find_readable_lengths(config)
    wanted = config.window.length * (1 - (1 - _SHORTEST) * place)
    length = max(fewest, unit * round(wanted / unit))
    return config.model_copy(update={"window": config.window.model_copy(update={"length": length})})


def _find_readable_lengths(config: Config) -> tuple[int, int]:
    """Return what window lengths are multiples of, and the fewest steps that the network can read."""
    model, season = config.model, config.data.main_season
    seasonal = model.normalization == "seasonal"
    if model.decoder in {"context", "latent"} and season > 1:
        return season, (2 + seasonal) * season
    segments = 2 if model.decoder == "rollout" or model.segment == 1 else 1
    if model.dilation:
        segments = max(segments, 2 ** (len(model.units) - 1) + 1)
    by_season = {"seasonal": season + 2 * model.segment, "profile": -(-2 * season // model.segment) * model.segment}
    return model.segment, max(segments * model.segment, by_season.get(model.normalization, 0))
