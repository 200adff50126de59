"""An order of every type, as a desk reads it: for tests that go through all of them."""

from __future__ import annotations

from typing import Any, Final

from models import events as ev
from models.words import Grade, Posture

FIELDS: Final[dict[type[ev.Order], dict[str, Any]]] = {
    ev.ConfirmProposal: {"incident": "i000001", "proposal": "p1"},
    ev.SendUnits: {"incident": "i000001", "units": ("E01",)},
    ev.RecallUnit: {"unit": "E01"},
    ev.DivertUnit: {"incident": "i000001", "unit": "E01"},
    ev.ConfirmMoveUp: {"unit": "E01"},
    ev.RefuseMoveUp: {"unit": "E01"},
    ev.SetHospital: {"hospital": "H1"},
    ev.SendToHospital: {"unit": "E01", "hospital": "H1"},
    ev.HoldUnit: {"unit": "E01"},
    ev.LiftHold: {"unit": "E01"},
    ev.PinUnit: {"incident": "i000001", "unit": "E01"},
    ev.BanUnit: {"incident": "i000001", "unit": "E01"},
    ev.LiftOverride: {"incident": "i000001"},
    ev.TriageIncident: {
        "incident": "i000001",
        "category": "health.medical",
        "priority": 2,
        "grade": Grade.IV,
    },
    ev.PlaceIncident: {"incident": "i000001", "cell": "tiny-r0c0"},
    ev.MergeIncidents: {"incident": "i000001", "duplicate": "i000002"},
    ev.UnmergeIncident: {"incident": "i000002"},
    ev.CloseIncident: {"incident": "i000001"},
    ev.ReopenIncident: {"incident": "i000001"},
    ev.CloseRoad: {"closure": "c1", "lon": 119.4, "lat": 31.4, "radius_m": 50.0},
    ev.ReopenRoad: {"closure": "c1"},
    ev.SetAutomation: {"priorities": (1, 2)},
    ev.SetPosture: {"posture": Posture.EMERGENCY},
}


def name_of(kind: type[ev.Order]) -> str:
    """Return the type as the API writes it."""
    return kind.type_name.removeprefix("order.")


KINDS: Final = sorted(ev.ORDERS, key=name_of)
"""All there are, those without fields above among them: a test of such a one fails."""
