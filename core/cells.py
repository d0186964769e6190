"""Cells of tables that spreadsheets open: a text must not be taken for a formula (security.md W-23)."""

_FORMULA_START = ("=", "+", "-", "@", "\t", "\r")


def guarded(text: str) -> str:
    """With a mark in front where a spreadsheet would compute it."""
    return f"'{text}" if text.startswith(_FORMULA_START) else text


def bare(cell: str) -> str:
    """What was written before it was guarded."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA_START) else cell
