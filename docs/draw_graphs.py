"""Draws the unrolled graphs of docs/architectures.md as SVG files in docs/graphs/."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import dist
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib import rc_context
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path as Line

VALUE, CELL, OUTPUT, VECTOR, WIRE = "#d55e00", "#0072b2", "#009e73", "#cc79a7", "#666666"
BOX: dict[str, Any] = {"boxstyle": "round,pad=0,rounding_size=0.16", "lw": 1.2, "clip_on": False}
HEAD = "-|>,head_length=4,head_width=2"
ARROW: dict[str, Any] = {"arrowstyle": HEAD, "lw": 1.1, "zorder": 0.9, "joinstyle": "miter", "clip_on": False}
DASHED: dict[str, Any] = {"ls": "dashed"}


class Node(NamedTuple):
    """A box around (x, y), or a point of a wire."""

    x: float
    y: float
    width: float = 0
    height: float = 0

    def edge(self, x: float, y: float) -> tuple[float, float]:
        """Return where a wire to (x, y) leaves: straight if possible, else from the middle of the nearer side."""
        right, up = x - self.x, y - self.y
        level, upright = abs(up) < self.height / 2, abs(right) < self.width / 2
        if level or (abs(right) > abs(up) and not upright):
            return self.x + self.width / 2 * np.sign(right), y if level else self.y
        return x if upright else self.x, self.y + self.height / 2 * np.sign(up)


class Picture:
    """A white canvas, measured in half inches."""

    def __init__(self) -> None:
        self.figure = Figure(figsize=(8, 8))
        self.axes = self.figure.add_axes((0, 0, 1, 1), xlim=(0, 16), ylim=(0, 16))
        self.axes.set_axis_off()

    def box(
        self, x: float, y: float, label: str, color: str = CELL, width: float = 1, height: float = 0.7, **style: Any
    ) -> Node:
        """Draw a rounded box, or an ellipsis without a frame."""
        look = BOX | {"ec": color, "fc": lighten(color), "visible": label != "..."} | style
        patch = FancyBboxPatch((x - width / 2, y - height / 2), width, height, **look)
        self.axes.add_patch(patch)
        self.note(x, y, label.replace("...", r"$\cdots$"), min(11, 15 * height))
        return Node(x, y, width, height)

    def circle(self, x: float, y: float, label: str) -> Node:
        """Draw an elementwise operation."""
        return self.box(x, y, label, WIRE, 0.6, 0.6, boxstyle="circle,pad=0")

    def note(self, x: float, y: float, text: str, size: float = 10) -> None:
        """Write text centered on a point."""
        self.axes.text(x, y, text, ha="center", va="center", color="#222222", size=size)

    def row(self, y: float, xs: Iterable[float], labels: str, color: str = CELL, **style: Any) -> list[Node]:
        """Draw a box for each label between spaces."""
        named = [label if label == "..." else f"${label}$" for label in labels.split()]
        return [self.box(x, y, label, color, **style) for x, label in zip(xs, named, strict=True)]

    def ladder(self, xs: Iterable[float], *rungs: tuple[float, str, str], **style: Any) -> list[list[Node]]:
        """Draw rows, each a height, labels and a color, with arrows up from one to the next."""
        rows = [self.row(y, xs, labels, color, **style) for y, labels, color in rungs]
        self.chain(*zip(*rows, strict=True))
        return rows

    def arrow(self, *ends: tuple[float, ...], bend: float = 0.25, color: str = WIRE, **style: Any) -> None:
        """Draw an arrow through nodes and points, with rounded corners."""
        (first, second), (before, last) = ends[:2], ends[-2:]
        points = [Node(*first).edge(*second[:2]), *ends[1:-1], Node(*last).edge(*before[:2])]
        self.axes.add_patch(FancyArrowPatch(path=round_corners(points, bend), color=color, **ARROW | style))

    def chain(self, *paths: Sequence[Node]) -> None:
        """Draw arrows from each node of a path to the next."""
        for path in paths:
            for start, end in pairwise(path):
                self.arrow(start, end)

    def bus(self, targets: Sequence[Node], along: float, *route: tuple[float, ...]) -> None:
        """Draw a wire that ends in the last target and branches to the others, `along` from their centers."""
        level, side = route[-1][1], np.sign(targets[-1].x - route[-1][0]) * 0.3
        for target in targets:
            start = route if target is targets[-1] else [(target.x + along - side, level)]
            self.arrow(*start, (target.x + along, level), target)

    def save(self, path: Path) -> None:
        """Write the graph, cropped to its contents."""
        bounds = self.axes.dataLim.padded(0.1)
        self.axes.set(xlim=bounds.intervalx, ylim=bounds.intervaly)
        self.figure.set_size_inches(bounds.width / 2, bounds.height / 2)
        with rc_context({"svg.hashsalt": path.stem}):
            self.figure.savefig(path, metadata={"Date": None, "Creator": None})


def lighten(color: str) -> tuple[float, ...]:
    """Mix a color with white."""
    return tuple(1 - 0.16 * (1 - part) for part in to_rgb(color))


def round_corners(points: Sequence[tuple[float, ...]], bend: float) -> Line:
    """Make a line with rounded corners."""
    vertices, codes = [points[0]], [Line.MOVETO]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        for end, code in ((before, Line.LINETO), (corner, Line.CURVE3), (after, Line.CURVE3)):
            part = min(bend / (dist(corner, end) or 1), 0.9)
            vertices.append(tuple(part * there + (1 - part) * here for here, there in zip(corner, end, strict=True)))
            codes.append(code)
    return Line([*vertices, points[-1]], [*codes, Line.LINETO])


def draw_frame(picture: Picture, top: float) -> None:
    """Draw the frame of one step of a cell."""
    picture.box(7, (top + 1) / 2, "", "#999999", 10.2, top - 1, fc="#f8f8f8", zorder=0.5)


def draw_gates(picture: Picture, *named: tuple[str, str, float]) -> list[Node]:
    """Draw the gates, each a name, a function and a column, and the wire [h, x] to them."""
    nodes = [picture.box(column, 2.9, function, width=0.8) for _, function, column in named]
    for name, _, column in named:
        picture.note(column - 0.25, 3.5, name)
    picture.bus(nodes, 0, picture.box(0.7, 1.7, "$h_{t-1}$"))
    picture.arrow(picture.box(2.6, 0.4, "$x_t$", VALUE), (2.6, 1.7), (3.2, 1.7), arrowstyle="-")
    picture.note(7.4, 1.35, "$[h_{t-1}, x_t]$")
    return nodes


def simple_rnn(picture: Picture) -> None:
    """Draw one step: h' = φ(W x + U h + b)."""
    draw_frame(picture, 4.6)
    add = picture.circle(7, 2.8, "+")
    recur, activate = picture.row(2.8, (4.4, 9.6), "U φ")
    picture.chain([picture.box(0.7, 2.8, "$h_{t-1}$"), recur, add, activate, picture.box(13.3, 2.8, "$h_t$")])
    picture.chain([picture.box(7, 0.2, "$x_t$", VALUE), picture.box(7, 1.6, "$W$"), add])
    picture.arrow(picture.box(7, 4, "$b$"), add)


def lstm(picture: Picture) -> None:
    """Draw one step: c' = f ⊙ c + i ⊙ φ(...), h' = o ⊙ φ(c')."""
    draw_frame(picture, 6.1)
    f, i, candidate, o = draw_gates(
        picture, ("$f$", "$σ$", 4.1), ("$i$", "$σ$", 5.7), ("", "$φ$", 7.5), ("$o$", "$σ$", 9.4)
    )
    forget, add, write = picture.circle(4.1, 5.2, "×"), picture.circle(6.6, 5.2, "+"), picture.circle(6.6, 4.1, "×")
    squash, show = picture.box(10.7, 4.1, "$φ$", width=0.8), picture.circle(10.7, 2.9, "×")
    picture.chain([picture.box(0.7, 5.2, "$c_{t-1}$"), forget, add, picture.box(13.3, 5.2, "$c_t$")])
    picture.chain([f, forget], [write, add], [squash, show], [o, show])
    picture.arrow(i, (5.7, 4.1), write)
    picture.arrow(candidate, (7.5, 4.1), write)
    picture.arrow((10.4, 5.2), (10.7, 5.2), squash)
    picture.arrow(show, (10.7, 1.7), picture.box(13.3, 1.7, "$h_t$"))


def peephole_lstm(picture: Picture) -> None:
    """Draw the LSTM with peepholes from the cell state to the gates."""
    lstm(picture)
    for route in (
        [(2.85, 5.2), (3.1, 5.2), (3.1, 2.9), (3.7, 2.9)],
        [(3.1, 4.4), (3.1, 4.1), (4.9, 4.1), (4.9, 2.9), (5.3, 2.9)],
        [(8.15, 5.2), (8.4, 5.2), (8.4, 2.9), (9, 2.9)],
    ):
        picture.arrow(*route, color=VECTOR, lw=1.6)


def gru(picture: Picture) -> None:
    """Draw one step: n = φ(W x + b + r ⊙ (U h + d)), h' = z ⊙ h + (1 - z) ⊙ n."""
    draw_frame(picture, 6.9)
    r, z = draw_gates(picture, ("$r$", "$σ$", 4.1), ("$z$", "$σ$", 9))
    recur, new = picture.box(5.9, 5, "$U h + d$", width=1.6), picture.box(5.9, 2.9, "$φ$", width=0.8)
    reset, keep, add = picture.circle(5.9, 4, "×"), picture.circle(9, 6, "×"), picture.circle(11, 6, "+")
    rest, write = picture.circle(10.1, 2.9, "1−"), picture.circle(11, 4, "×")
    picture.chain([picture.box(0.7, 6, "$h_{t-1}$"), keep, add, picture.box(13.3, 6, "$h_t$")])
    picture.chain([recur, reset, new], [write, add], [z, keep], [z, rest])
    picture.arrow((5.6, 6), (5.9, 6), recur)
    picture.arrow(r, (4.1, 4), reset)
    picture.arrow((3.1, 0.4), (5.9, 0.4), new)
    picture.arrow(new, (7.4, 2.9), (7.4, 4), write)
    picture.arrow(rest, (11, 2.9), write)
    picture.note(6.6, 3.2, "$n$")


def slstm(picture: Picture) -> None:
    """Draw one step: s' = log(f exp(s) + i), k' = (1 - w) ⊙ k + w ⊙ z with w = i / exp(s'), h' = o ⊙ k'."""
    draw_frame(picture, 7.9)
    f, i, z, o = draw_gates(
        picture, ("$f$", "$σ$", 3.6), ("$i$", "$exp$", 4.9), ("$z$", "$φ$", 7.9), ("$o$", "$σ$", 9.4)
    )
    norm = picture.box(4.25, 7, r"$\log(f e^s + i)$", width=2.6)
    share, rest = picture.box(6.6, 4.1, "$w$", width=0.8), picture.circle(6.6, 4.95, "1−")
    keep, add, write = picture.circle(6.6, 5.8, "×"), picture.circle(7.9, 5.8, "+"), picture.circle(7.9, 4.1, "×")
    show = picture.circle(10.7, 2.9, "×")
    picture.chain([picture.box(0.7, 7, "$s_{t-1}$"), norm, picture.box(13.3, 7, "$s_t$")])
    picture.chain([picture.box(0.7, 5.8, "$k_{t-1}$"), keep, add, picture.box(13.3, 5.8, "$k_t$")])
    picture.chain([share, rest, keep], [share, write, add], [z, write], [o, show])
    picture.arrow(f, (3.6, 6.75))
    picture.arrow(i, (4.9, 6.75))
    picture.arrow((4.9, 4.1), share)
    picture.arrow((5.5, 7), (5.8, 7), (5.8, 4.35), (6.2, 4.35))
    picture.arrow((10.4, 5.8), (10.7, 5.8), show)
    picture.arrow(show, (10.7, 1.7), picture.box(13.3, 1.7, "$h_t$"))


def stack(picture: Picture) -> None:
    """Draw three layers, dilated by 1, 2 and 4, the upper two with residuals."""
    xs = np.linspace(1, 12, 5)
    below = picture.row(0.5, xs, "x_1 x_2 x_3 x_4 x_5", VALUE)
    for layer, y in enumerate((1.9, 3.9, 6.6)):
        states = picture.row(y, xs, " ".join(f"h^{layer + 1}_{step}" for step in range(1, 6)))
        picture.chain(*zip(below, states, strict=True))
        for one, later in zip(states, states[2**layer :], strict=False):
            low = y - 0.35 if layer else y
            dip = (one.x + later.x) / 2, low - (layer > 0)
            picture.arrow((one.x + 0.3, low), dip, (later.x - (0.3 if layer else 0.5), low), bend=99, color=CELL)
        below = [draw_residual(picture, state) for state in states] if layer else states
    for node in below:
        picture.arrow(node, (node.x, 8.6))


def draw_residual(picture: Picture, state: Node) -> Node:
    """Draw a residual: the input of a state added to it."""
    add, side, low = picture.circle(state.x, state.y + 1, "+"), state.x + 0.8, state.y - 1
    picture.arrow(state, add)
    picture.arrow((state.x, low - 0.25), (state.x, low), (side, low), (side, add.y), add)
    return add


def bidirectional(picture: Picture) -> None:
    """Draw a layer that reads the window from both ends."""
    xs = np.linspace(1.5, 12.3, 4)
    values = picture.row(0.5, xs, "x_1 x_2 ... x_T", VALUE, width=2.1)
    merged = picture.row(5.2, xs, "m_1 m_2 ... m_T", OUTPUT, width=2.1)
    for y, shift, way in ((2.1, -0.6, "right"), (3.6, 0.6, "left")):
        h = rf"\over{way}arrow{{h}}"
        states = picture.row(y, xs + shift, f"{h}_1 {h}_2 ... {h}_T", width=0.9, height=0.8)
        picture.chain(states if shift < 0 else states[::-1])
        for value, state, merge in zip(values, states, merged, strict=True):
            picture.arrow(value, state)
            picture.arrow(state, merge)


def segment(picture: Picture) -> None:
    """Draw twelve values in four recurrent steps."""
    states = picture.row(2.6, np.linspace(1.9, 12.1, 4), "h_1 h_2 h_3 h_4")
    picture.chain(states)
    for step, state in enumerate(states):
        picture.arrow(picture.box(state.x, 0.8, "", VALUE, 3, 1.2, fc="white"), state)
        labels = " ".join(f"x_{{{3 * step + place}}}" for place in (1, 2, 3))
        picture.row(0.8, state.x + np.array([-0.95, 0, 0.95]), labels, VALUE, width=0.8)


def embedding(picture: Picture) -> None:
    """Draw the learned vector of a series, read at every step."""
    rungs = (0.5, "x_1 x_2 ... x_T", VALUE), (2.5, "[x_1,e] [x_2,e] ... [x_T,e]", VECTOR), (4, "h_1 h_2 ... h_T", CELL)
    _, joined, states = picture.ladder(np.linspace(5.4, 12.3, 4), *rungs, width=1.4)
    picture.chain(states, [picture.box(1.2, 1.5, "series id", VALUE, 1.8), picture.box(3.3, 1.5, "$e$", VECTOR)])
    picture.bus(joined, 0.4, (3.8, 1.5))


def draw_encoder(picture: Picture) -> list[Node]:
    """Draw the window and the states that read it; return the states."""
    rungs = (0.5, "x_1 x_2 ... x_T", VALUE), (2.2, "h_1 h_2 ... h_T", CELL)
    _, states = picture.ladder(np.linspace(0.7, 5.5, 4), *rungs)
    picture.chain(states)
    return states


def draw_feedback(picture: Picture, outputs: Sequence[Node], states: Sequence[Node], level: float = 1.2) -> None:
    """Draw the feedback of each output to the next step."""
    for output, state in zip(outputs, states[1:], strict=False):
        gap, along = state.x - 0.85, state.x - 0.25
        picture.arrow(output, (gap, output.y), (gap, level), (along, level), state, color=OUTPUT)


def rollout(picture: Picture) -> None:
    """Draw a rollout, where each output is the next input."""
    last = draw_encoder(picture)[-1]
    states = [last, *picture.row(2.2, (7.4, 9.3, 11.2), "h_{T+1} h_{T+2} ...")]
    outputs = picture.row(3.9, (last.x, 7.4, 9.3), r"\hat{y}_1 \hat{y}_2 \hat{y}_3", OUTPUT)
    picture.chain(states, *zip(states, outputs, strict=False))
    draw_feedback(picture, outputs, states)


def draw_dense_outputs(picture: Picture, source: Node) -> None:
    """Draw a head that outputs the whole horizon."""
    layer = picture.box(source.x + source.width / 2 + 1.6, source.y, "head", WIRE, 1.4)
    picture.arrow(source, layer)
    for up, label in ((1.5, r"$\hat{y}_1$"), (0.5, r"$\hat{y}_2$"), (-1.4, r"$\hat{y}_H$")):
        picture.arrow(layer, picture.box(layer.x + 2.6, source.y + up, label, OUTPUT))
    picture.note(layer.x + 2.6, source.y - 0.45, r"$\vdots$")


def dense(picture: Picture) -> None:
    """Draw all outputs from the last state."""
    draw_dense_outputs(picture, draw_encoder(picture)[-1])


def dense_attention(picture: Picture) -> None:
    """Draw attention with the last state as query over all states."""
    states = draw_encoder(picture)
    picture.box(3.1, 3.9, "", VECTOR, 6, 1, zorder=0.95, fc="#fcf5f9")
    picture.row(3.9, [state.x for state in states], r"\alpha_1 \alpha_2 ... \alpha_T", VECTOR, height=0.6)
    picture.chain(*([state, Node(state.x, 3.9, 1, 1), Node(state.x, 5.4, 1, 0.8)] for state in states))
    context = picture.box(3.1, 5.4, r"context $= \sum_t\, \alpha_t\, h_t$", VECTOR, 6, 0.8)
    joined = picture.box(9.4, 2.2, r"$q' = \tanh(W\,[$context$; q])$", VECTOR, 4)
    picture.arrow(states[-1], joined)
    picture.arrow((6.2, 2.2), (6.5, 2.2), (6.5, 3.9), (6.1, 3.9))
    picture.note(7.3, 3.1, "query $q$")
    picture.arrow(context, (9.4, 5.4), joined)
    draw_dense_outputs(picture, joined)


def draw_encoder_decoder(picture: Picture, height: float) -> tuple[list[Node], list[Node], list[Node]]:
    """Draw encoder and decoder, which reads the last value, then its outputs or (dashed) actuals."""
    xs, read = np.linspace(7.9, 12.7, 3), draw_encoder(picture)
    states = picture.row(2.2, xs, "s_1 s_2 s_3")
    outputs = picture.row(height, xs, r"\hat{y}_1 \hat{y}_2 \hat{y}_3", OUTPUT)
    picture.chain([read[-1], *states], [picture.box(xs[0], 0.5, "$x_T$", VALUE), states[0]])
    draw_feedback(picture, outputs[:-1], states)
    for actual in picture.row(0.5, xs[1:], "y_1 y_2", VALUE, fc="white", **DASHED):
        picture.arrow(actual, (actual.x + 0.25, 1.85), color=VALUE, **DASHED)
    return read, states, outputs


def seq2seq(picture: Picture) -> None:
    """Draw a decoder that starts from the encoder's last state."""
    _, states, outputs = draw_encoder_decoder(picture, 3.9)
    picture.chain(*zip(states, outputs, strict=True))


def seq2seq_attention(picture: Picture) -> None:
    """Draw a decoder with attention over the encoder's states at each step."""
    read, states, outputs = draw_encoder_decoder(picture, 6.6)
    picture.box(6.7, 3.8, r"attention: $\alpha_{k,t}$ of step $k$ over $h_1 \ldots h_T$", VECTOR, 13.2, 0.8)
    picture.chain(*([node, Node(node.x, 3.8, 1, 0.8)] for node in read + states))
    joined = picture.row(5.2, [state.x for state in states], r"q_1^{\prime} q_2^{\prime} q_3^{\prime}", VECTOR)
    picture.note(4.9, 5.2, r"$q_k^{\prime} = \tanh(W\,[$context$_k; s_k])$")
    picture.chain(*([Node(join.x, 3.8, 1, 0.8), join, output] for join, output in zip(joined, outputs, strict=True)))


def positional(picture: Picture) -> None:
    """Draw all segments of the horizon in parallel, each with its position vector."""
    windows = (0.5, "x_{1:3} x_{4:6} x_{7:9} x_{10:12}", VALUE), (2.4, "h_1 h_2 h_3 h_4", CELL)
    _, states = picture.ladder(np.linspace(0.9, 6.3, 4), *windows, width=1.2)
    picture.chain(states)
    horizon = (2.4, "s_1 s_2 s_3", CELL), (4, r"\hat{y}_{1:3} \hat{y}_{4:6} \hat{y}_{7:9}", OUTPUT)
    steps, _ = picture.ladder((8.6, 10.8, 13), *horizon, width=1.2)
    for place in picture.row(0.5, (8.6, 10.8, 13), "p_1 p_2 p_3", VECTOR):
        picture.arrow(place, (place.x + 0.25, 2.05))
    picture.bus(steps, -0.25, states[-1], (7.3, 2.4), (7.3, 1.4))


def context(picture: Picture) -> list[Node]:
    """Draw an RNN over each season, one over the seasons, and a decoder that reads its last state."""
    ends = []
    for season in range(3):
        labels = " ".join(f"x_{{{4 * season + place}}}" for place in (1, 2, 3, 4))
        rungs, xs = ((0.4, labels, VALUE), (1.7, r"\, " * 4, CELL)), np.linspace(0.4, 2.95, 4) + 3.5 * season
        _, states = picture.ladder(xs, *rungs, width=0.6, height=0.6)
        picture.chain(states)
        ends.append(states[-1])
    rungs = (2.8, "v_1 v_2 v_3", VECTOR), (4, "C_1 C_2 C_3", CELL)
    vectors, seasons = picture.ladder([end.x for end in ends], *rungs)
    picture.chain(seasons, *zip(ends, vectors, strict=True))
    rungs = (2.4, "s_1 s_2 s_3", CELL), (4, r"\hat{y}_1 \hat{y}_2 \hat{y}_3", OUTPUT)
    states, outputs = picture.ladder((12.4, 14, 15.6), *rungs)
    picture.chain(states)
    draw_feedback(picture, outputs[:-1], states, 1.4)
    picture.arrow(picture.box(11.3, 1.4, "$x_{12}$", VALUE, 0.7, 0.6), (12.15, 1.4), states[0])
    picture.bus(states, 0, seasons[-1], (10.6, 4), (10.6, 0.6))
    return states


def latent(picture: Picture) -> None:
    """Draw the context and the latent variable z, sampled once per path."""
    states, z = context(picture), picture.box(15.2, -1.3, "$z$", VECTOR, 0.8)
    prior = picture.box(12.6, -0.8, r"prior $N(\mu, \sigma^2)$", VECTOR, 3)
    posterior = picture.box(12.6, -2, r"posterior $N(\mu, \sigma^2)$", VECTOR, 3, fc="white", **DASHED)
    future = picture.box(8.6, -2.15, r"$y_1, y_2, y_3$", VALUE, 2.2, fc="white", **DASHED)
    picture.arrow((10.6, 0.85), (10.6, -0.8), prior)
    picture.arrow((10.6, -0.5), (10.6, -1.85), posterior, **DASHED)
    picture.arrow(future, (11.1, -2.15), color=VALUE, **DASHED)
    picture.arrow(prior, z)
    picture.arrow(posterior, z, **DASHED)
    picture.bus(states[1::-1], 0.25, z, (z.x, -0.1))
    picture.bus(states[2:], 0.25, z, (z.x, -0.1))


CELLS = simple_rnn, lstm, peephole_lstm, gru, slstm
ENCODERS = stack, bidirectional, segment, embedding
DECODERS = rollout, dense, dense_attention, seq2seq, seq2seq_attention, positional, context, latent


def main() -> None:
    """Draw all, with the same bytes each time."""
    folder = Path(__file__).parent / "graphs"
    folder.mkdir(exist_ok=True)
    for draw in CELLS + ENCODERS + DECODERS:
        picture, path = Picture(), folder / f"{draw.__name__}.svg"
        draw(picture)
        picture.save(path)


if __name__ == "__main__":
    main()
