"""Files on their way home from a cluster in memory."""

from __future__ import annotations

from collections.abc import Callable

from jobauto.errors import RemoteError


class FakePull:
    """Files that come home after so many looks, or as soon as somebody waits for them; `what`
    brings them, or says why not. Until then it is among `coming`; `waits` counts all waiting.
    """

    waits = 0

    def __init__(self, coming: list[FakePull], looks: int, what: Callable[[], None]) -> None:
        self.coming, self.left, self.what = coming, looks, what
        self.error: RemoteError | None = None
        coming.append(self)
        self.arrive(0)

    def arrive(self, looks: int = 1) -> None:
        """Time passes."""
        self.left -= looks
        if self.left <= 0:
            self.coming.remove(self)
            try:
                self.what()
            except RemoteError as error:
                self.error = error

    def over(self) -> bool:
        return self not in self.coming

    def give_up(self) -> None:
        if not self.over():
            self.coming.remove(self)

    def finish(self) -> None:
        if not self.over():
            FakePull.waits += 1
            self.arrive(self.left)
        if self.error:
            raise self.error
