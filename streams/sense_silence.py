"""For how long devices could be heard: what silence is measured by. No clock: it is told.

It may be we who couldn't hear. Of a time in which nobody at all was heard only so much counts, and
when somebody is heard after a longer one, whoever was not heard is excused: its silence begins
anew. So it is after a time of which it is known that nobody could be heard. A device is excused
once, until it speaks: outages that come again and again hide none that is dead for good.

Pure; for :mod:`streams.sense`.
"""

from __future__ import annotations

from collections.abc import Iterable

from streams.sense_devices import DeviceMemory
from streams.sense_rules import SilenceRule

UNHEARD_COUNTS = 0.25
"""How much, of the shortest silence, a time counts at most in which no device at all was heard."""


class Listening:
    """How long devices could be heard.

    Attributes
    ----------
    unheard_s
        How long nobody was heard until now.
    """

    def __init__(self, rules: Iterable[SilenceRule]) -> None:
        self._rules = tuple(rules)
        self._until_heard_s = 0.0
        self.unheard_s = 0.0
        self._unheard_counts_s = UNHEARD_COUNTS * min(
            (rule.after_s for rule in self._rules), default=0.0
        )

    @property
    def counted_s(self) -> float:
        """How long there was listening so far, in seconds that count."""
        return self._until_heard_s + min(self.unheard_s, self._unheard_counts_s)

    def pass_time(self, for_s: float) -> None:
        """Listen for so long without hearing anybody."""
        self.unheard_s += for_s

    def hear(self, devices: Iterable[DeviceMemory]) -> None:
        """Hear somebody; whoever was not heard either, after too long a time, is excused."""
        was_long = self.unheard_s > self._unheard_counts_s
        self._until_heard_s, self.unheard_s = self.counted_s, 0.0
        if was_long:
            self._excuse(devices)

    def hear_again(self, devices: Iterable[DeviceMemory]) -> bool:
        """Begin to listen after a time in which nobody could be heard; say if any is excused."""
        is_any = self._excuse(devices)
        if is_any:
            self._until_heard_s, self.unheard_s = self.counted_s, 0.0
        return is_any

    def _excuse(self, devices: Iterable[DeviceMemory]) -> bool:
        is_any, now_s = False, self.counted_s
        for device in devices:
            for rule in self._rules:
                spoke_s = device.spoke.get(rule.id)
                if spoke_s is None or spoke_s >= now_s or rule.id in device.excused:
                    continue
                device.spoke[rule.id] = now_s
                device.excused.add(rule.id)
                is_any = True
        return is_any
