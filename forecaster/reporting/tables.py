"""Tables of text with aligned columns."""

from collections.abc import Collection, Sequence


def format_table(rows: Sequence[Sequence[object]], left: Collection[int] = (0,)) -> str:
    """Format rows as text, integers with commas: the columns of the numbers `left` left-aligned, the others right."""
    texts = [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in texts) for column in range(len(texts[0]))]
    lines = []
    for row in texts:
        cells = [
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
