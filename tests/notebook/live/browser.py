"""What a browser makes of the messages, by the rules that part.js keeps."""

import json
from collections.abc import Mapping
from typing import Any


class Page:
    """The traces of each part, by name."""

    def __init__(self) -> None:
        self.parts: dict[int, Any] = {}
        self.drawn = self.extended = self.number = 0

    def take(self, message: Mapping[str, Any] | None) -> None:
        if message is None:
            return
        assert message["number"] == self.number + 1
        self.number += 1
        for change in message["parts"]:
            if "figure" in change:
                self.parts[change["part"]] = json.loads(change["figure"])
                self.drawn += 1
            else:
                self._extend(self.parts[change["part"]], change)

    def lines(self, part: int = 0) -> dict[str, list[tuple[int, float | None]]]:
        return {trace["name"]: list(zip(trace["x"], trace["y"], strict=True)) for trace in self.parts[part]["data"]}

    def _extend(self, figure: Any, change: Mapping[str, Any]) -> None:
        self.extended += 1
        figure["layout"]["xaxis"]["range"] = change["range"]
        for place, x, y, most in change["extend"]:
            trace = figure["data"][place]
            trace["x"], trace["y"] = (trace["x"] + x)[-most:], (trace["y"] + y)[-most:]
