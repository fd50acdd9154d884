"""A row of the table of throughput: what was measured, what it may be, and its floor."""

from dataclasses import asdict, dataclass

HEAD = (f'{"what":58} {"measured":>9} {"":6} {"goal":>6} {"moon":>6} {"floor":>8} {"ratio":>6} '
        f'{"kernels":>7}')


@dataclass(frozen=True)
class Row:
    """A measured number with its bounds.

    Attributes
    ----------
    what, unit : str
    measured : float
    goal, moonshot : float or None
        Most that it may be, and what would be better still.
    floor : float or None
        The same number of a program that does next to nothing.
    most : float or None
        Most times the floor for the moonshot.
    kernel : float or None
        The pinned kernel's CPU in the same unit.
    """

    what: str
    measured: float
    unit: str
    goal: float | None = None
    moonshot: float | None = None
    floor: float | None = None
    most: float | None = None
    kernel: float | None = None

    @property
    def ratio(self):
        """How many times the floor, or None."""
        return self.measured / self.floor if self.floor else None

    @property
    def met(self):
        """Whether the goal is reached; True where there is none."""
        return self.goal is None or self.measured <= self.goal

    @property
    def moonshot_met(self):
        """Whether the moonshot is reached, or None where there is none."""
        if self.moonshot is None:
            return None
        return self.measured <= self.moonshot and (self.most is None or self.ratio <= self.most)

    def as_dict(self):
        """Everything, for JSON."""
        kernels = self.measured / self.kernel if self.kernel else None
        return asdict(self) | {'ratio': self.ratio, 'kernels': kernels, 'met': self.met,
                               'moonshot_met': self.moonshot_met}

    def __str__(self):
        found = self.as_dict()
        word = '' if self.goal is None else 'met' if self.met else 'MISSED'
        word += ', moonshot too' if self.moonshot_met else ''
        return (f'{self.what:58} {self.measured:9.3f} {self.unit:6} {_text(self.goal, 6)} '
                f'{_text(self.moonshot, 6)} {_text(self.floor, 8)} {_text(found["ratio"], 6)} '
                f'{_text(found["kernels"], 7)}  {word}').rstrip()


def _text(value, width):
    return ' ' * width if value is None else f'{value:{width}.3g}'
