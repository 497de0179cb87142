"""Work that threads do ahead, such as reading photos."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from captioner.errors import UserError

_READERS = 2
Item = TypeVar("Item")
Result = TypeVar("Result")


def read_ahead(
    work: Callable[[Item], Result], items: Sequence[Item], batch_size: int
) -> Iterator[list[tuple[Item, Result | UserError]]]:
    """Batches of items with the results of `work`. Threads work ahead while the caller uses a batch.

    If `work` raises a UserError, the item comes with that error as its result.
    """

    def result_of(item: Item) -> tuple[Item, Result | UserError]:
        try:
            return item, work(item)
        except UserError as error:
            return item, error

    waiting: deque[Future] = deque()
    with ThreadPoolExecutor(_READERS) as pool:
        try:
            for start in range(0, len(items), batch_size):
                while len(waiting) < 3 * batch_size and (done := start + len(waiting)) < len(items):
                    waiting.append(pool.submit(result_of, items[done]))
                yield [waiting.popleft().result() for _ in items[start : start + batch_size]]
        finally:
            pool.shutdown(cancel_futures=True)
