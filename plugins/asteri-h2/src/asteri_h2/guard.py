"""Floods: frames that cost us more than the client, counted before they are read (RFC 9113 section 10.5).

Each kind has an allowance that fills up with time and with requests that were served in earnest. Who uses it up is told
ENHANCE_YOUR_CALM and closed. Published under names such as rapid reset (CVE-2023-44487), MadeYouReset (CVE-2025-8671),
CONTINUATION flood (VU#421644), and the ping, settings, empty frame and priority floods of 2019 (VU#605641).
"""

from __future__ import annotations

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
PRIORITY_UPDATE = 0x10
END_STREAM = 0x1
RESET_BY_US, REFUSED_BY_US, STRAY = 0x100, 0x101, 0x102
"""Not frames: a stream that the client has made us end before its time, a request that never became one, and what comes
on a stream that has been reset."""

FLOODS = {
    PRIORITY: (200, 20.0),
    PRIORITY_UPDATE: (200, 20.0),
    RST_STREAM: (300, 30.0),  # each reload of a page that is slow resets all streams that a client may have
    RESET_BY_US: (100, 10.0),
    REFUSED_BY_US: (100, 10.0),
    STRAY: (4000, 1000.0),  # an upload that is answered early goes on until the client has heard of it
    SETTINGS: (50, 2.0),
    PING: (50, 5.0),
    GOAWAY: (50, 2.0),
    WINDOW_UPDATE: (4000, 1000.0),
    CONTINUATION: (200, 50.0),
    DATA: (200, 20.0),
    -1: (200, 20.0),
}
"""How many of each may come at once, and how many more every second. DATA stands for those that are empty and do not
end the stream, -1 for frames of unknown kinds."""

EARNED = {
    WINDOW_UPDATE: 50.0,
    RST_STREAM: 0.5,
    RESET_BY_US: 0.5,
    REFUSED_BY_US: 0.5,  # a proxy brings the bad requests of others beside good ones
    PRIORITY: 2.0,
    PRIORITY_UPDATE: 2.0,
    CONTINUATION: 4.0,  # `limit_request_head` takes as many
    -1: 2.0,  # a browser that tries whether servers ignore what they do not know (RFC 9113 section 5.5)
}
"""What a response that was sent whole adds: who is served a lot has a lot to say."""

DRIBBLE = 512
"""Bytes that a client takes at least for the two windows and the ping to which they entitle it (CVE-2019-9511)."""


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
            if kind == PUSH_PROMISE:
                return ""  # it ends the connection
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

    def earns_answers(self, size: int, cut: bool) -> None:
        """A frame of content was sent, which the client may answer by a window for its stream and its connection.

        And by a PING: clients measure how fast content comes, and how long a way it has, to choose their windows. One
        that was ``cut`` by the window earns as it is large: else a dribble of windows would pay for itself.
        """
        share = min(1.0, size / DRIBBLE) if cut else 1.0
        self._left[WINDOW_UPDATE] = min(float(FLOODS[WINDOW_UPDATE][0]), self._left[WINDOW_UPDATE] + 2 * share)
        self._left[PING] = min(float(FLOODS[PING][0]), self._left[PING] + share)


NAMES = {
    PRIORITY: "PRIORITY frames",
    PRIORITY_UPDATE: "PRIORITY_UPDATE frames",
    RST_STREAM: "streams that were reset",
    RESET_BY_US: "streams that had to be reset or refused",
    REFUSED_BY_US: "requests that had to be refused",
    STRAY: "frames on streams that were reset",
    SETTINGS: "SETTINGS frames",
    PING: "PING frames",
    GOAWAY: "GOAWAY frames",
    WINDOW_UPDATE: "WINDOW_UPDATE frames",
    CONTINUATION: "CONTINUATION frames",
    DATA: "empty DATA frames",
    -1: "frames of unknown kinds",
}
