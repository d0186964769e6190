"""ECDSA over the small curves of OCMF that the cryptography library has no more; public values only (B-61)."""

from dataclasses import dataclass

Point = tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Curve:
    """y² = x³ + ax + b over the integers modulo p; ``g`` has the order ``n``."""

    p: int
    a: int
    b: int
    g: tuple[int, int]
    n: int

    @property
    def size(self) -> int:
        return (self.p.bit_length() + 7) // 8

    def has(self, point: tuple[int, int]) -> bool:
        x, y = point
        return 0 <= x < self.p and 0 <= y < self.p and (y * y - x**3 - self.a * x - self.b) % self.p == 0

    def add(self, one: Point, other: Point) -> Point:
        if one is None or other is None:
            return one or other
        (x1, y1), (x2, y2) = one, other
        if x1 == x2 and (y1 + y2) % self.p == 0:
            return None
        if one == other:
            slope = (3 * x1 * x1 + self.a) * pow(2 * y1, -1, self.p)
        else:
            slope = (y2 - y1) * pow(x2 - x1, -1, self.p)
        x = (slope * slope - x1 - x2) % self.p
        return x, (slope * (x1 - x) - y1) % self.p

    def times(self, factor: int, point: Point) -> Point:
        found: Point = None
        while factor:
            if factor & 1:
                found = self.add(found, point)
            point, factor = self.add(point, point), factor >> 1
        return found

    def verify(self, key: tuple[int, int], r: int, s: int, digest: bytes) -> bool:
        """Whether (r, s) signs the digest (SEC 1, 4.1.4)."""
        if not (self.has(key) and 0 < r < self.n and 0 < s < self.n):
            return False
        number = int.from_bytes(digest, "big") >> max(len(digest) * 8 - self.n.bit_length(), 0)
        inverse = pow(s, -1, self.n)
        found = self.add(self.times(number * inverse % self.n, self.g), self.times(r * inverse % self.n, key))
        return found is not None and found[0] % self.n == r


SECP192K1 = Curve(
    p=2**192 - 2**32 - 2**12 - 2**8 - 2**7 - 2**6 - 2**3 - 1,
    a=0,
    b=3,
    g=(
        0xDB4FF10EC057E9AE26B07D0280B7F4341DA5D1B1EAE06C7D,
        0x9B2F2F6D9C5628A7844163D015BE86344082AA88D95E2F9D,
    ),
    n=0xFFFFFFFFFFFFFFFFFFFFFFFE26F2FC170F69466A74DEFD8D,
)
SECP192R1 = Curve(
    p=2**192 - 2**64 - 1,
    a=-3,
    b=0x64210519E59C80E70FA7E9AB72243049FEB8DEECC146B9B1,
    g=(
        0x188DA80EB03090F67CBF20EB43A18800F4FF0AFD82FF1012,
        0x07192B95FFC8DA78631011ED6B24CDD573F977A11E794811,
    ),
    n=0xFFFFFFFFFFFFFFFFFFFFFFFF99DEF836146BC9B1B4D22831,
)
