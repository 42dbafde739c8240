"""Floods: frames that cost us more than the client, counted before they are read (RFC 9113 section 10.5).

Each kind has an allowance that fills up with time and with requests that were served in earnest. Who uses it up is told
ENHANCE_YOUR_CALM and closed. Published under names such as rapid reset (CVE-2023-44487), MadeYouReset (CVE-2025-8671),
CONTINUATION flood (VU#421644), and the ping, settings, empty frame and priority floods of 2019 (VU#605641).
"""

from __future__ import annotations

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
PRIORITY_UPDATE = 0x10
END_STREAM = 0x1
RESET_BY_US = 0x100
"""Not a frame: a reset of ours that the client has provoked."""

FLOODS = {
    PRIORITY: (200, 20.0),
    PRIORITY_UPDATE: (200, 20.0),
    RST_STREAM: (100, 10.0),
    RESET_BY_US: (100, 10.0),
    SETTINGS: (50, 2.0),
    PING: (50, 5.0),
    WINDOW_UPDATE: (4000, 1000.0),
    CONTINUATION: (64, 16.0),
    DATA: (200, 20.0),
    -1: (200, 20.0),
}
"""How many of each may come at once, and how many more every second. DATA stands for those that are empty and do not
end the stream, -1 for frames of unknown kinds."""

EARNED = {WINDOW_UPDATE: 50.0, RST_STREAM: 0.5, RESET_BY_US: 0.5, PRIORITY: 2.0, PRIORITY_UPDATE: 2.0}
"""What a response that was sent whole adds: who is served a lot has a lot to say."""


class Guard:
    """Counts for one connection."""

    __slots__ = ("_left", "_since")

    def __init__(self, now: float) -> None:
        self._left = {kind: float(most) for kind, (most, _) in FLOODS.items()}
        self._since = dict.fromkeys(FLOODS, now)

    def sees(self, kind: int, length: int, flags: int, now: float) -> str:
        """One more frame; what is too much, or an empty text."""
        if kind == HEADERS or (kind == DATA and (length or flags & END_STREAM)):
            return ""
        if kind not in FLOODS:
            if kind in (PUSH_PROMISE, GOAWAY):
                return ""
            kind = -1
        return self.counts(kind, now)

    def counts(self, kind: int, now: float) -> str:
        most, rate = FLOODS[kind]
        left = min(float(most), self._left[kind] + (now - self._since[kind]) * rate) - 1
        self._left[kind], self._since[kind] = left, now
        return "" if left >= 0 else NAMES[kind]

    def earns(self) -> None:
        """A response was sent whole."""
        for kind, more in EARNED.items():
            self._left[kind] = min(float(FLOODS[kind][0]), self._left[kind] + more)

    def earns_windows(self) -> None:
        """A frame of content was sent, which the client may answer by a window for its stream and its connection."""
        self._left[WINDOW_UPDATE] = min(float(FLOODS[WINDOW_UPDATE][0]), self._left[WINDOW_UPDATE] + 2)


NAMES = {
    PRIORITY: "PRIORITY frames",
    PRIORITY_UPDATE: "PRIORITY_UPDATE frames",
    RST_STREAM: "streams that were reset",
    RESET_BY_US: "streams that had to be reset",
    SETTINGS: "SETTINGS frames",
    PING: "PING frames",
    WINDOW_UPDATE: "WINDOW_UPDATE frames",
    CONTINUATION: "CONTINUATION frames",
    DATA: "empty DATA frames",
    -1: "frames of unknown kinds",
}
