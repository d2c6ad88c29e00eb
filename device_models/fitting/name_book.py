"""Numbers for the names in a column of a table."""

from ..printable import printable


class NameBook(dict[str, int]):
    """Numbers names as they appear; blanks around a name do not make another one."""

    def __init__(self) -> None:
        """Begin without names."""
        super().__init__()
        self._number_of: dict[str, int] = {}

    def __missing__(self, cell: str) -> int:
        """The number of a cell that is new."""
        name = printable(cell.strip())
        self[cell] = number = self._number_of.setdefault(name, len(self._number_of))
        return number

    def names(self) -> tuple[str, ...]:
        """Every name once."""
        return tuple(self._number_of)
