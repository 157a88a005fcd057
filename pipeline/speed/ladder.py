"""Which batch sizes to time beside those of the grid."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

SMALLEST_POWER = 8
"""Below it a neighbour differs by more than an eighth in size, and not by alignment alone."""


def powers_of_two(largest: int) -> list[int]:
    """8, 16, 32 ... up to ``largest``."""
    return [2**k for k in range(3, largest.bit_length()) if 2**k <= largest]


def multiples_of_32(largest: int) -> list[int]:
    """5/4 and 3/2 of the powers of two that are multiples of 32, and so no powers themselves."""
    sizes = [power * share // 4 for power in powers_of_two(largest) for share in (5, 6)]
    return [size for size in sizes if size % 32 == 0 and size <= largest]


def primes(largest: int) -> list[int]:
    """The first prime from 1.4 times each power of two on."""
    starts = [power * 7 // 5 for power in powers_of_two(largest)]
    primes = [next(n for n in range(start, 2 * start) if is_prime(n)) for start in starts]
    return [prime for prime in primes if prime <= largest]


def is_prime(number: int) -> bool:
    """By trial division."""
    return number > 1 and all(number % d for d in range(2, int(number**0.5) + 1))


def sparse(smallest: int, largest: int) -> list[int]:
    """1, 2, 4, 8 ... within the bounds."""
    return [2**k for k in range(largest.bit_length()) if smallest <= 2**k <= largest]


def dense(smallest: int, largest: int) -> list[int]:
    """The ladder, ascending: powers of two, multiples of 32 and of 8, primes, and 1, 2 and 4."""
    sizes = {*powers_of_two(largest), *multiples_of_32(largest)}
    sizes |= {1, 2, 4, *(power + 8 for power in powers_of_two(largest)), *primes(largest)}
    return sorted(size for size in sizes if smallest <= size <= largest)


@dataclass(frozen=True)
class Capacity:
    """The largest batch size that fits and what ended the search: ``memory``, ``data``, ``time``.

    batch_size is 0 where not even the smallest fits.
    """

    batch_size: int
    ended_by: str


def largest_that_fits(
    fits: Callable[[int], bool], smallest: int, largest: int, too_slow: Callable[[int], bool]
) -> Capacity:
    """Double until a batch size does not fit, then bisect; ``fits`` must be monotone.

    ``largest`` is the size of the training part. Doubling ends, too, at a size that fits but is
    too slow to go on from.
    """
    if not fits(smallest):
        return Capacity(0, "memory")
    good = smallest
    while good < largest:
        if too_slow(good):
            return Capacity(good, "time")
        tried = min(2 * good, largest)
        if not fits(tried):
            return Capacity(bisect(fits, good, tried), "memory")
        good = tried
    return Capacity(good, "data")


def bisect(fits: Callable[[int], bool], good: int, bad: int) -> int:
    """The last size that fits between one that does and one that does not."""
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if fits(middle) else (good, middle)
    return good


def up_to_slow(sizes: Iterable[int], too_slow: Callable[[int], bool]) -> list[int]:
    """The sizes before the first that is too slow."""
    kept: list[int] = []
    for size in sizes:
        if too_slow(size):
            break
        kept.append(size)
    return kept
