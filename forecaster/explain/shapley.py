"""Shapley values of a game: what each player adds to the value, on average over the orders in which players join."""

import math
from collections.abc import Callable

import numpy as np

# Coalitions (coalitions, players), whether each player has joined, to their values (coalitions, ...).
Game = Callable[[np.ndarray], np.ndarray]


def compute_shapley(game: Game, players: int, most: int = 256, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Compute the Shapley value of each player (Shapley 1953).

    They are exact where there are at most `most` coalitions, else averages over orders drawn in pairs, each with its
    reverse (Mitchell et al. 2022, section 4.1). In both cases they add up to the value of all players together minus
    that of none, since each order adds up to it.

    Args:
        game: to play; it is called once, with each coalition once.
        players: how many, at least 1.
        most: coalitions to evaluate, about.
        seed: of the orders.

    Returns:
        The value without any player, (...), and what each adds, (players, ...).
    """
    if 2**players <= most:
        coalitions = (np.arange(2**players)[:, None] >> np.arange(players)) % 2 == 1  # (coalitions, players)
        weights = _weigh_all(coalitions)
    else:
        coalitions, weights = _weigh_orders(_draw_orders(players, most, seed))
    values = game(coalitions)
    return values[0], np.tensordot(weights, values, axes=1)


def _weigh_all(coalitions: np.ndarray) -> np.ndarray:
    """Weigh every coalition for each player, (players, coalitions).

    A coalition of s of n players counts with (s - 1)! (n - s)! / n! for its members, and is subtracted with
    s! (n - s - 1)! / n! for the others (Shapley 1953, equation 12).
    """
    count = coalitions.shape[1]
    factorials = [math.factorial(number) for number in range(count + 1)]
    shares = [factorials[size - 1] * factorials[count - size] / factorials[count] for size in range(1, count + 1)]
    joined = np.array([0.0, *shares])  # by the size of the coalition that the player is in
    sizes = coalitions.sum(axis=1)
    others = np.append(joined[1:], 0.0)  # by the size of the coalition that the player is not in
    return np.where(coalitions.T, joined[sizes], -others[sizes])


def _draw_orders(players: int, most: int, seed: int) -> np.ndarray:
    """Draw orders of players, each followed by its reverse, (orders, players): at least one pair."""
    generator = np.random.default_rng(seed)
    drawn = [generator.permutation(players) for _ in range(max(1, most // (2 * players)))]
    return np.array([order for one in drawn for order in (one, one[::-1])])


def _weigh_orders(orders: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """List the coalitions of orders (orders, players), the empty one first, and their weights (players, coalitions)."""
    count, players = orders.shape
    numbers: dict[bytes, int] = {}
    members = np.zeros(players, bool)
    weights: list[np.ndarray] = []  # of each coalition, (players,)

    def find_weights() -> np.ndarray:
        number = numbers.setdefault(members.tobytes(), len(numbers))
        if number == len(weights):
            weights.append(np.zeros(players))
        return weights[number]

    for order in orders.tolist():
        members[:] = False
        for player in order:
            find_weights()[player] -= 1 / count
            members[player] = True
            find_weights()[player] += 1 / count
    return np.array([np.frombuffer(key, bool) for key in numbers]), np.array(weights).T
