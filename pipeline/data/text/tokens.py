"""Tokens of a text: its bytes, its characters, or what a tokenizer of the user's makes of it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.data.examples import Array
from pipeline.errors import InputError

UNKNOWN = "unknown"
"""Stands for the characters that the training part does not have."""
CHUNK_CHARACTERS = 1 << 22


@dataclass(frozen=True)
class Vocabulary:
    """The tokens' names by their numbers from 0, and how a piece of text becomes numbers.

    by_lines: whether tokens span characters, so that a text may be cut at the end of a line alone;
    has_unknown: whether the last one stands for characters that training lacks.
    """

    names: tuple[str, ...]
    encode: Callable[[str], Array]
    by_lines: bool = False
    has_unknown: bool = False

    def numbers(self, texts: Iterable[str]) -> Array:
        """The tokens of consecutive texts, one after the other, in the smallest type that holds
        the vocabulary: uint8 or int32."""
        kind = np.uint8 if len(self.names) <= 256 else np.int32
        numbers = bytearray()  # grows in place: parts that are joined would be there twice
        for text in texts:
            for piece in cut(text, self.by_lines):
                numbers += self.encode(piece).astype(kind).tobytes()
        return np.frombuffer(numbers, dtype=kind)


def cut(text: str, by_lines: bool) -> Iterator[str]:
    """The text in pieces, which bound the memory."""
    start = 0
    while start < len(text):
        end = start + CHUNK_CHARACTERS
        if by_lines and end < len(text):
            end = text.find("\n", end) + 1 or len(text)
        yield text[start:end]
        start = end


def vocabulary(tokens: str, training: list[str], others: list[str]) -> Vocabulary:
    """By ``data.text.tokens``; characters are those of the training part, and one for all others
    where the rest of the text has any."""
    if tokens == "byte":
        return Vocabulary(tuple(f"0x{byte:02x}" for byte in range(256)), bytes_of)
    if tokens == "char":
        return characters(training, others)
    return of_tokenizer(Path(tokens))


def bytes_of(text: str) -> Array:
    """The text's UTF-8."""
    return np.frombuffer(text.encode(), dtype=np.uint8)


def characters(training: list[str], others: list[str]) -> Vocabulary:
    """A number for each character, in Unicode's order."""
    known = sorted(set().union(*training))
    codes = np.array([ord(character) for character in known], dtype=np.uint32)
    is_whole = set().union(*others) <= set(known)

    names = tuple(known) if is_whole else (*known, UNKNOWN)
    return Vocabulary(names, lambda text: looked_up(text, codes), has_unknown=not is_whole)


def looked_up(text: str, codes: Array) -> Array:
    """The places of the characters among ascending codes; the number of codes for any other."""
    characters = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    places = np.searchsorted(codes, characters).clip(max=len(codes) - 1)
    return np.where(codes[places] == characters, places, len(codes)).astype(np.int32)


def of_tokenizer(path: Path) -> Vocabulary:
    """A tokenizer's file, as the library ``tokenizers`` writes it (``tokenizer.json``).

    Raises InputError where there is no such library or file, and for a file that is something
    else.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError:
        rule = "names a tokenizer's file, for which the library tokenizers is to be installed"
        raise InputError(f"data.text.tokens: {str(path)!r} {rule}") from None
    if not path.is_file():
        rule = "is neither 'char' nor 'byte' nor a file"
        raise InputError(f"data.text.tokens: {str(path)!r} {rule}")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises plain Exceptions
        raise InputError(f"data.text.tokens: {path} is no tokenizer's file: {error}") from None
    tokenizer.no_truncation()  # which the file may ask for
    tokenizer.no_padding()
    size = tokenizer.get_vocab_size()
    names = tuple(tokenizer.id_to_token(number) or "" for number in range(size))

    def encode(text: str) -> Array:
        numbers = np.array(tokenizer.encode(text, add_special_tokens=False).ids, dtype=np.int64)
        if len(numbers) and numbers.max() >= size:
            rule = f"makes a token {numbers.max()} and says that it has {size}"
            raise InputError(f"data.text.tokens: {path} {rule}")
        return numbers

    return Vocabulary(names, encode, by_lines=True)
